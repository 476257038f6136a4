"""What the trainer decides: which part of a data set an image belongs to, and when to train."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

NEAR = 4
"""Bits of 64 by which the difference hashes of near copies differ at most. Unrelated pictures differ by about 30."""

ASIDE = "aside"


@dataclass(frozen=True, slots=True)
class Shot:
    """A labelled capture."""

    sha256: str
    place: str  # device and day: near copies are looked for within it
    phash: str | None  # 16 hexadecimal digits
    audit: bool


def base_parts(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """(sha256, "train" or "valid") -> part by sha256; an image that is in both is held out."""
    parts: dict[str, str] = {}
    for sha256, split in items:
        parts[sha256] = "valid" if "valid" in (split, parts.get(sha256)) else split
    return parts


def field_parts(shots: Iterable[Shot], known: Mapping[str, str]) -> dict[str, str]:
    """Part of each field image, by sha256; `shots` in the order they were labelled, `known` are the base images.

    Every audit goes to the golden set, for ever, and everything else to training: audits alone are an honest sample of what
    devices see. An image that is a near copy of an earlier one on the other side is set aside, so that near copies never
    straddle, and what comes later never moves what is there: a part is the same in every later dataset version.
    """
    parts: dict[str, str] = {}
    sides: dict[str, dict[str, list[int]]] = {}  # place -> part -> hashes
    for shot in shots:
        if shot.sha256 in known or shot.sha256 in parts:
            continue
        side, other = ("golden", "train") if shot.audit else ("train", "golden")
        place = sides.setdefault(shot.place, {"golden": [], "train": []})
        value = int(shot.phash, 16) if shot.phash else None
        straddles = value is not None and any((value ^ seen).bit_count() <= NEAR for seen in place[other])
        parts[shot.sha256] = ASIDE if straddles else side
        if value is not None and not straddles:
            place[side].append(value)
    return parts


@dataclass(frozen=True, slots=True)
class Labels:
    """What happened since the last training. Ages are seconds."""

    new: int  # labels to learn from since the last run started: audits are golden and do not count
    first_age: float | None  # age of the label that made them enough
    last_age: float | None  # age of the newest
    running: bool  # a run is requested or under way
    since_last: float | None  # since the last run ended; None when there was none


@dataclass(frozen=True, slots=True)
class Trigger:
    min_labels: int
    debounce: float
    max_wait: float
    cooldown: float


@dataclass(frozen=True, slots=True)
class Decision:
    train: bool
    reasons: tuple[str, ...]
    recheck: float | None = None  # seconds after which it can differ without a new event; None: never


def decide(labels: Labels, trigger: Trigger) -> Decision:
    """Decide whether to train. A negative decision has all its reasons, and the time of the first that can lapse without an event."""
    against = dict(_against(labels, trigger))
    if against:
        return Decision(False, tuple(against), min((each for each in against.values() if each), default=None))
    return Decision(True, (f"{labels.new} new labels to learn from, {trigger.min_labels} asked for",), 0)


def _against(labels: Labels, trigger: Trigger) -> Iterator[tuple[str, float | None]]:
    """Each reason against a training, and the seconds after which it lapses; None if only an event can end it."""
    if labels.new < trigger.min_labels:
        yield f"fewer than {trigger.min_labels} new labels to learn from (audits do not count)", None
    elif (left := _unsettled(labels, trigger)) > 0:
        yield f"labels are still coming in: waiting for {trigger.debounce:g} s of quiet", left
    if labels.running:
        yield "a training run is under way", None
    elif labels.since_last is not None and labels.since_last < trigger.cooldown:
        yield f"the last training ended less than {trigger.cooldown:g} s ago", trigger.cooldown - labels.since_last


def _unsettled(labels: Labels, trigger: Trigger) -> float:
    """Seconds until labels have paused long enough, or have waited long enough; not positive if that is so now."""
    return min(trigger.debounce - (labels.last_age or 0), trigger.max_wait - (labels.first_age or 0))
