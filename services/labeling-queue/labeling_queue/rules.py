"""What the labeling queue decides: pure functions, no clock, no database."""

import difflib
import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from strop_contracts import errors, keys, states, strata, tables
from strop_wire import fields, messages

LEASE = timedelta(minutes=10)
"""How long a task is kept for a person; the page renews the lease while it shows the image."""

SKIPPED = 3.0
"""Added to the priority of a skipped task: priorities lie between 0 and 1, so it comes after all others."""

IN_FLIGHT = timedelta(minutes=1)
"""Longest time after an answer until our own move for the answer before it has ended, by the clocks of two servers."""

SIMILAR = 0.6
"""Least similarity of two names, from 0 to 1 (`difflib`), at which one is offered in place of the other."""

UNSURE = messages.Policy().low
"""Audits are spread over the margins below this: where the images lie that devices keep because the model is unsure."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to one image; `label` is set when `answer` is "label", and only then."""

    answer: states.AnswerKind
    label: str | None = None


def read_answer(answer: str, label: str | None) -> Answer:
    """Check an answer of a request; Malformed has the fault."""
    try:
        kind = states.AnswerKind(answer)
    except ValueError:
        expected = ", ".join(states.AnswerKind)
        raise fields.Malformed(f"answer: expected one of {expected}, got {answer!r}") from None
    if kind != states.AnswerKind.LABEL:
        if label is not None:
            raise fields.Malformed(f"label: the answer {answer!r} goes without one")
        return Answer(kind)
    return Answer(kind, fields.label(label))


def priority(sha256: str, margin: float, *, audit: bool) -> float:
    """Smaller comes first: what the model is least sure of, and audits evenly in between, by the hash of their image.

    Both are waited for: audits measure live accuracy and judge a new model, only the others train it. By hash, the audits
    labelled so far are a random sample of all, whatever their margins.
    """
    return int(sha256[:8], 16) / 16**8 * UNSURE if audit else margin


@dataclass(frozen=True, slots=True)
class Draw:
    """Whether a stored capture is sent to labelers."""

    probability: float  # with which it was sent; 0: it is not
    extra: bool = (
        False  # an audit outside the even sample: its stratum needs more labels than others, or it is not sent
    )


SENT = Draw(1.0)

Shares = Mapping[str, Sequence[float]]
"""Share of the audits that is sent to labelers, by predicted label and stratum of confidence; none: all are sent."""


def draw(capture: tables.Capture, shares: Shares) -> Draw:
    """Decide whether a capture is sent to labelers: an audit with the probability of its stratum, anything else always.

    The draw is a hash of the capture's id, so a repeat decides alike. Audits below the smallest share of all strata are an even
    sample of all audits, and stay one when the others are added.
    """
    if not capture.audit or not shares:
        return SENT
    number = int.from_bytes(hashlib.sha256(capture.id.bytes).digest()[:8]) / 2**64
    row = shares.get(capture.label)
    share = row[strata.of(capture.confidence)] if row else 1.0
    return Draw(share if number < share else 0.0, extra=number >= min(map(min, shares.values())))


def settles(answer: Answer) -> bool:
    """Whether the answer makes ground truth: an unclear one does not, none and bad say that there is no label."""
    return answer.answer != states.AnswerKind.UNCLEAR


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that stands: whose it is, and when it was given."""

    author: str
    answer: Answer
    at: datetime


def check_turn(author: str, standing: Sequence[Given], holder: str | None, *, is_open: bool) -> None:
    """Refuse an answer to a task that is not the author's to answer (any more).

    `standing`: the answers that were not taken back, oldest first. `holder`: who has the task on lease at this moment. A
    person whose lease ran out may still answer unless somebody else took the task.
    """
    if not is_open and standing[-1].author != author:
        raise errors.Refused("Somebody else answered this image in the meantime.")
    if any(each.author == author for each in standing):
        raise errors.Refused("You answered this image already: take that answer back first.")
    if holder not in {None, author}:
        raise errors.Refused("Your time for this image ran out and somebody else has it now.")


def check_open(state: str, person: str, holder: str | None) -> None:
    """Refuse to lease a task to a person when it is answered or somebody else has it at this moment."""
    if state != states.TaskState.OPEN:
        raise errors.Refused("This image was answered in the meantime.")
    if holder not in {None, person}:
        raise errors.Refused("Somebody else has this image now.")


def is_newer(written_at: datetime, answered_at: datetime) -> bool:
    """Whether a file was written so long after the latest answer that our own move for an earlier one cannot have written it."""
    return written_at - answered_at >= IN_FLIGHT


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the label that is spelled most like a name; None if none is similar."""
    spelled = {_folded(label): label for label in known if label != name}
    found = difflib.get_close_matches(_folded(name), spelled, n=1, cutoff=SIMILAR)
    return spelled[found[0]] if found else None


def _folded(label: str) -> str:
    """Return what two spellings of a label have in common: neither case, accents nor separators."""
    letters = unicodedata.normalize("NFKD", label).casefold()
    return "".join(each for each in letters if each.isalnum()) or label


def copy_key(capture: tables.Capture, label: str | None) -> str:
    """Where the copy of a capture lies that people look into, by its label (None: it has none)."""
    if label is None:
        return keys.upload(capture)
    return keys.labeled(capture, label)
