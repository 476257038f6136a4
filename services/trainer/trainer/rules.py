"""Which part of a data set an image belongs to."""

from collections.abc import Iterable, Mapping
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

    Every audit goes to the golden set, permanently, and everything else to training: audits alone are an unbiased sample of what
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
