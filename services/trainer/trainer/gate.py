"""The gate: may a new model run? Pure; judged on held-out images that both models classified.

Field first: on the golden set the challenger must be right where the champion was wrong more often than the other way
round, and no label may lose significantly (exact one-sided sign test on the images where they differ, Holm's correction
over the labels). Base images guard against forgetting.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from strop import stats

LEVEL = 0.05
FORGETTING = 0.05
"""Share of the base images by which the challenger may be worse, beyond what chance explains."""
SMALL = 100
"""With fewer golden images the verdict is right more often than not, and no more; the reasons say so."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One held-out image and whether each model was right about it."""

    label: str
    challenger: bool
    champion: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    approved: bool
    reasons: tuple[str, ...]  # in words, for people; what speaks against it comes first


def judge(field: Sequence[Pair], base: Sequence[Pair]) -> Verdict:
    """Challenger against champion. Without golden images the base images decide alone."""
    name, decisive = ("field", field) if field else ("base", base)
    against = [
        *_not_better(name, decisive),
        *(_loss(label, gains, losses) for label, gains, losses in _lost_labels(decisive)),
        *_forgotten(base),
    ]
    notes = [_score(where, pairs) for where, pairs in (("field", field), ("base", base)) if pairs]
    if len(field) < SMALL:
        notes.append(f"only {len(field)} golden images (labelled audits): the verdict is unsure")
    return Verdict(not against, (*against, *notes))


def first(base: Sequence[tuple[str, bool]]) -> Verdict:
    """A project's first model, judged on (label, right) of the base images: it must beat always saying the commonest label."""
    if not base:
        return Verdict(False, ("there are no held-out base images (valid/) to judge the first model on",))
    labels = [label for label, _ in base]
    commonest = max(sorted(set(labels)), key=labels.count)
    right = sum(hit for _, hit in base)
    better = right > labels.count(commonest)
    word = "beats" if better else "does not beat"
    score = f"base: {_interval(right, len(base))}; {word} always saying {commonest} ({labels.count(commonest)} right)"
    return Verdict(better, (f"first model, {score}",))


def _not_better(name: str, pairs: Sequence[Pair]) -> list[str]:
    gains, losses = _discordant(pairs)
    return [] if gains > losses else [f"{name}: not better than the champion ({gains} gained, {losses} lost)"]


def _lost_labels(pairs: Sequence[Pair]) -> list[tuple[str, int, int]]:
    """Labels on which the challenger is significantly worse, with images gained and lost."""
    counts = {label: _discordant([p for p in pairs if p.label == label]) for label in sorted({p.label for p in pairs})}
    p_values = {label: stats.sign_test(losses, gains) for label, (gains, losses) in counts.items()}
    return [(label, *counts[label]) for label in stats.holm(p_values, LEVEL)]


def _loss(label: str, gains: int, losses: int) -> str:
    return f"loses on {label}: {losses} lost, {gains} gained (p = {stats.sign_test(losses, gains):.3f})"


def _forgotten(base: Sequence[Pair]) -> list[str]:
    gains, losses = _discordant(base)
    worse = base and (losses - gains) / len(base) > FORGETTING and stats.sign_test(losses, gains) < LEVEL
    return [f"forgets the base set: {losses} lost, {gains} gained of {len(base)}"] if worse else []


def _discordant(pairs: Sequence[Pair]) -> tuple[int, int]:
    """Images where only the challenger was right, and where only the champion was."""
    gains = sum(p.challenger and not p.champion for p in pairs)
    losses = sum(p.champion and not p.challenger for p in pairs)
    return gains, losses


def _score(name: str, pairs: Sequence[Pair]) -> str:
    gains, losses = _discordant(pairs)
    mine, other = sum(p.challenger for p in pairs), sum(p.champion for p in pairs)
    return f"{name}: {_interval(mine, len(pairs))}; the champion {other}; {gains} gained, {losses} lost"


def _interval(right: int, total: int) -> str:
    share = stats.wilson(right, total)
    assert share
    return f"{right} of {total} right ({share.value:.1%}, 95 % interval {share.low:.1%} to {share.high:.1%})"
