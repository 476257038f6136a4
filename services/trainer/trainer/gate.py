"""The gate: may a new model run? Pure; judged on held-out images that both models classified.

Three answers. Approved: the challenger is better on the golden set (exact one-sided McNemar test at `Limits.level`), and
nothing speaks against it. Refused: no better on enough images, or worse by more than a margin, significantly, on a label or on the
base images (exact tests at `HARM`, Holm's correction over the labels). Undecided: the images are too few to tell; it
is judged again on more of them, or a person decides. README.md ("The gate") has the probabilities of each answer.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from strop import stats
from strop_contracts import states

HARM = 0.05
"""Chance at most of a refusal because of any label while none became worse; the same for the base images as a whole."""
LEAST = 10
"""Golden images that judge a first model where there are no base images to do so."""
RARE = 5
"""Labels with fewer images in a set are judged together."""
DOUBT = 0.25
"""Like `HARM`, of leaving a model undecided: a loss that is as likely to be real, but not shown."""
GONE = 1 / 3
"""Share of a label's images whose loss leaves a model undecided however few they are; from `FEWEST` on."""
FEWEST = 3
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Limits:
    """What a project may set. `again` gives the limits of a later judgement of the same model."""

    level: float = (
        0.1  # chance at most that the first judgement approves a challenger that is no better than the champion
    )
    base_margin: float = 0.05  # share of the base images by which the challenger may be worse
    label_margin: float = 0.10  # share of the images of a label by which it may be worse
    enough: int = 30  # with fewer images, no sign of a gain is no reason to refuse

    def again(self, judgement: int) -> "Limits":
        """Halve the level with each judgement: however many there are, the chance of a wrong approval is below twice the level."""
        return replace(self, level=self.level / 2 ** (judgement - 1))


DEFAULTS = Limits()


@dataclass(frozen=True, slots=True)
class Pair:
    """One held-out image and whether each model was right about it."""

    label: str
    challenger: bool
    champion: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    state: states.ModelState
    reasons: tuple[str, ...]  # in words, for people; what speaks against approval comes first


@dataclass(frozen=True, slots=True)
class Change:
    """How the challenger differs from the champion on some images."""

    name: str
    images: int
    gained: int  # only the challenger was right
    lost: int  # only the champion was right
    margin: float = 0.0  # share of the images that may be lost in net

    @property
    def share(self) -> float:
        """The difference in accuracy."""
        return (self.gained - self.lost) / self.images

    @property
    def worse(self) -> float:
        """The p-value of the observed loss, were the two equally good."""
        return stats.sign_test(self.lost, self.gained)

    @property
    def better(self) -> float:
        """The p-value of the observed gain, were the two equally good."""
        return stats.sign_test(self.gained, self.lost)

    @property
    def exceeds(self) -> bool:
        """Whether the observed loss is beyond the margin."""
        return self.share < -self.margin

    @property
    def is_large(self) -> bool:
        """Whether so much is lost that it needs no significance to be in doubt."""
        return self.lost - self.gained >= max(FEWEST, GONE * self.images)

    def __str__(self) -> str:
        way = "better" if self.share > 0 else "worse"
        points = f"{abs(self.share) * 100:.1f} points {way}" if self.share else "no difference"
        return f"{self.name}: {self.gained} gained, {self.lost} lost of {self.images}, {points}"


def judge(field: Sequence[Pair], base: Sequence[Pair], limits: Limits = DEFAULTS) -> Verdict:
    """Compare challenger and champion. Without golden images the base images decide alone."""
    name, decisive = ("field", field) if field else ("base", base)
    if not decisive:
        return Verdict(states.ModelState.UNDECIDED, ("there are no held-out images to judge the model on",))
    whole, labels = (
        _change(name, decisive),
        [
            *_labels("field", field, limits.label_margin),
            *_labels("base", base, limits.label_margin),
        ],
    )
    everything = [_change("base", base, limits.base_margin)] if base else []
    found = [_gain(whole, limits), _losses(labels), _losses(everything)]
    refusals, doubts = ([reason for each in found for reason in each[kind]] for kind in (0, 1))
    notes = [_score(where, pairs) for where, pairs in (("field", field), ("base", base)) if pairs]
    return Verdict(
        _state(refusals, doubts), (*refusals, *doubts, *notes, _checked(labels), _power(whole, limits.level))
    )


def first(base: Sequence[tuple[str, bool]], field: Sequence[tuple[str, bool]] = ()) -> Verdict:
    """Judge a project's first model on (label, right) of the base images, or of `LEAST` golden images without any.

    It must beat always saying the commonest label.
    """
    name, decisive = ("base", base) if base or len(field) < LEAST else ("field", field)
    if not decisive:
        reason = f"there are no held-out base images (valid/), and fewer than {LEAST} golden ones, to judge the first model on"
        return Verdict(states.ModelState.UNDECIDED, (reason,))
    labels = [label for label, _ in decisive]
    commonest = max(sorted(set(labels)), key=labels.count)
    right = sum(hit for _, hit in decisive)
    better = right > labels.count(commonest)
    word = "beats" if better else "does not beat"
    score = (
        f"{name}: {_interval(right, len(decisive))}; {word} always saying {commonest} ({labels.count(commonest)} right)"
    )
    return Verdict(states.ModelState.APPROVED if better else states.ModelState.REFUSED, (f"first model, {score}",))


def _state(refusals: Sequence[str], doubts: Sequence[str]) -> states.ModelState:
    if refusals:
        return states.ModelState.REFUSED
    return states.ModelState.UNDECIDED if doubts else states.ModelState.APPROVED


def _gain(whole: Change, limits: Limits) -> tuple[list[str], list[str]]:
    """What the decisive images say against approval: reasons to refuse, and to leave it undecided."""
    if whole.better <= limits.level:
        return [], []
    if whole.worse <= HARM:
        return [f"{whole.name}: worse than the champion ({_counts(whole)}, {_p(whole.worse)})"], []
    if whole.gained > whole.lost:
        return [], [
            f"{whole}: not significant (p = {whole.better:.2f}, at most {limits.level:g} needed). {_needed(whole, limits.level)}"
        ]
    reason = f"{whole.name}: not better than the champion ({_counts(whole)})"
    if whole.images >= limits.enough:
        return [reason], []
    return [], [f"{reason}, on only {whole.images} images; {limits.enough} are needed to refuse it for that"]


def _losses(checked: Sequence[Change]) -> tuple[list[str], list[str]]:
    """Losses beyond the margin: those that are significant, and those that chance may explain."""
    p_values = {each.name: each.worse for each in checked}
    shown, suspected = set(stats.holm(p_values, HARM)), set(stats.holm(p_values, DOUBT))
    beyond = sorted((each for each in checked if each.exceeds), key=lambda each: each.worse)
    words = {each.name: f"{each}, more than the margin of {each.margin * 100:g}" for each in beyond}
    refusals = [f"{words[each.name]} ({_p(each.worse)})" for each in beyond if each.name in shown]
    doubts = [
        f"{words[each.name]}; chance may explain it ({_p(each.worse)})"
        for each in beyond
        if each.name not in shown and (each.name in suspected or each.is_large)
    ]
    return refusals, doubts


def _labels(name: str, pairs: Sequence[Pair], margin: float) -> list[Change]:
    """A change per label; labels with fewer than `RARE` images together."""
    counts = Counter(pair.label for pair in pairs)
    rare = {label for label, count in counts.items() if count < RARE}
    found = [
        _change(f"{name}, {label}", (pair for pair in pairs if pair.label == label), margin)
        for label in sorted(counts.keys() - rare)
    ]
    if rare:
        words = f"{name}, labels with fewer than {RARE} images"
        found.append(_change(words, (pair for pair in pairs if pair.label in rare), margin))
    return found


def _change(name: str, pairs: Iterable[Pair], margin: float = 0.0) -> Change:
    counts = Counter((pair.challenger, pair.champion) for pair in pairs)
    return Change(name, counts.total(), counts[True, False], counts[False, True], margin)


def _counts(change: Change) -> str:
    return f"{change.gained} gained, {change.lost} lost"


def _score(name: str, pairs: Sequence[Pair]) -> str:
    change = _change(name, pairs)
    mine, other = sum(p.challenger for p in pairs), sum(p.champion for p in pairs)
    p_value = f"{_p(change.better)} of a gain" if change.share > 0 else f"{_p(change.worse)} of a loss"
    return f"{name}: {_interval(mine, len(pairs))}; the champion {other}; {_counts(change)} ({p_value})"


def _checked(labels: Sequence[Change]) -> str:
    """The label with the largest loss, so that an approval shows what was checked."""
    return (
        f"checked for losses by label; the largest change for the worse is {min(labels, key=lambda each: each.share)}"
    )


def _power(whole: Change, level: float) -> str:
    change = stats.detectable(whole.images, _discordance(whole), level, POWER)
    kind = "golden images (labelled audits)" if whole.name == "field" else "base images"
    seen = f"can detect a gain of {change * 100:.0f} points" if change else "cannot detect any gain"
    return f"{whole.images} {kind} {seen} (probability {POWER:.0%})"


def _needed(whole: Change, level: float) -> str:
    images = stats.images_needed(whole.share, _discordance(whole), level, POWER)
    return f"About {images} images would show a gain of this size (probability {POWER:.0%})"


def _discordance(change: Change) -> float:
    """Share of images on which the two models differ, by Laplace's rule."""
    return (change.gained + change.lost + 1) / (change.images + 2)


def _interval(right: int, total: int) -> str:
    share = stats.wilson(right, total)
    assert share
    return f"{right} of {total} right ({share.value:.1%}, 95 % interval {share.low:.1%} to {share.high:.1%})"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
