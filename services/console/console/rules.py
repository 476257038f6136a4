"""What the console decides and how it says it: pure functions, no clock, no database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strop import stats
from strop_contracts import documents, states

MOVING = {"TRAINING_IN_PROGRESS", "STARTING", "STOPPING", "COPYING_IN_PROGRESS", "DELETING"}
"""States that pass by themselves: a page looks again soon."""

STARTS = {"TRAINING_COMPLETED", "STOPPED", "COPYING_COMPLETED", "FAILED"}
STOPS = {"RUNNING"}

PARTS = ("field", "base")
PART_NAMES = {"field": "field images", "base": "test images"}

STATES = {
    "TRAINING_IN_PROGRESS": "Training",
    "TRAINING_COMPLETED": "Trained",
    "TRAINING_FAILED": "Training failed",
    "TRAINED": "Trained",
    "STARTING": "Starting",
    "RUNNING": "Running",
    "STOPPING": "Stopping",
    "STOPPED": "Stopped",
    "FAILED": "Failed",
    "DELETING": "Deleting",
    "COPYING_IN_PROGRESS": "Copying",
    "COPYING_COMPLETED": "Copied",
    "COPYING_FAILED": "Copying failed",
}

NO_ENDPOINT = (
    "The console was not told where the Custom Labels service is: set AWS_ENDPOINT_URL_REKOGNITION to its address "
    "and start the console again."
)

ADVICE = {
    "UnrecognizedClientException": "Give the console and custom-labels the same AWS key pair.",
    "InvalidSignatureException": "Compare the console's AWS secret and clock with those of custom-labels.",
    "AccessDeniedException": "Give the console's AWS keys this right.",
    "LimitExceededException": "Wait until the other one is done, or stop it.",
    "ResourceNotReadyException": "Start the model first, and wait until it is running.",
    "ThrottlingException": "Wait a moment and try again.",
    "ProvisionedThroughputExceededException": "Wait a moment, or start the model with more inference units.",
    "InternalServerError": "Try again; what happened is in the log of custom-labels.",
}


def state(status: str) -> str:
    """AWS's name of a state, in words."""
    return STATES.get(status, status.replace("_", " ").capitalize())


def tone(status: str) -> str:
    """How a state is coloured: "good", "bad", "moving" or "calm"."""
    if status in MOVING or status.endswith("_IN_PROGRESS"):
        return "moving"
    if "FAILED" in status:
        return "bad"
    return "good" if status == "RUNNING" else "calm"


def progress(run_state: str, progress: documents.Progress) -> str:
    """What a training is at, in a few words."""
    if run_state == states.RunState.REQUESTED:
        return "waiting for a trainer"
    if run_state != states.RunState.RUNNING:
        return ""
    return progress.words or "begins"


def number(model: str) -> int:
    """The number of a model as a device names it, "v7"; 0 when it is something else."""
    digits = model.removeprefix("v")
    return int(digits) if digits.isdecimal() and len(digits) < 10 else 0


def percent(share: float | None, digits: int = 1) -> str:
    return "—" if share is None else f"{100 * share:.{digits}f} %"


def score(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"


def count(number: float) -> str:
    """Return a count in few characters: 950, 12.3k, 4.5M."""
    for limit, unit in ((10**6, "M"), (10**4, "k")):
        if number >= limit:
            return f"{number / (10**6 if unit == 'M' else 1000):.1f}".removesuffix(".0") + unit
    return f"{number:,.0f}"


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def escape_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def advice(error: Mapping[str, Any]) -> str:
    """What the API said no with, and what to change."""
    code, message = str(error.get("Code", "")), str(error.get("Message", "")).strip()
    parts = [message or code, ADVICE.get(code, "")]
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts if part)


@dataclass(frozen=True)
class LabelScores:
    """How a model did on the test images of one label, and on those it gave that label."""

    name: str
    images: int
    precision: documents.Share | None
    recall: documents.Share | None
    f1: float | None
    threshold: float | None = None
    counts: tuple[int, int, int] | None = None  # true positives, false positives, false negatives

    @property
    def badness(self) -> tuple[float, int, str]:
        """Worst first; labels without a score come last."""
        return (2.0 if self.f1 is None else self.f1, -self.images, self.name)


@dataclass(frozen=True)
class Summary:
    """How a model did on one part of its test images, for a list. `f1` counts rejected images as without an answer."""

    images: int
    accuracy: documents.Share | None  # of the best label, whatever its confidence
    f1: float | None
    champion_right: int | None  # of the same images, by the model that it was compared with

    @property
    def champion(self) -> float | None:
        """Return the champion's accuracy on the same images."""
        return None if self.champion_right is None else self.champion_right / self.images


@dataclass(frozen=True)
class Scores:
    """All of it. `f1`, `precision` and `recall` are means over the labels that have test images."""

    images: int
    f1: float | None
    precision: float | None
    recall: float | None
    accuracy: documents.Share | None  # of the best label, whatever its confidence
    unanswered: int  # images that no label was given to
    ece: float | None
    labels: list[LabelScores]  # the worst first


def scores(metrics: documents.Metrics) -> Scores:
    """Read the metrics of an evaluation: with rejection where the evaluation has it, else of the best labels."""
    answers, calibration = metrics.answers, metrics.calibration.ece
    labels = [*map(_answered, answers.labels.items())] if answers else [*map(_best, metrics.labels.items())]
    labels.sort(key=lambda label: label.badness)
    if answers:
        means = answers.f1, answers.precision, answers.recall
        return Scores(metrics.images, *means, metrics.accuracy, answers.unanswered, calibration, labels)
    tested = [label for label in labels if label.images]
    mean_f1 = _mean([label.f1 for label in tested])
    mean_precision = _mean([label.precision.value if label.precision else None for label in tested])
    mean_recall = _mean([label.recall.value if label.recall else None for label in tested])
    unanswered = round(metrics.images * (1 - metrics.answered.value)) if metrics.answered else 0
    return Scores(
        metrics.images, mean_f1, mean_precision, mean_recall, metrics.accuracy, unanswered, calibration, labels
    )


def _answered(item: tuple[str, documents.AnsweredLabel]) -> LabelScores:
    name, label = item
    counts = (label.true_positives, label.false_positives, label.false_negatives)
    right, wrong, missed = counts
    precision, recall = stats.wilson(right, right + wrong), stats.wilson(right, right + missed)
    f1 = label.f1 if label.images else None  # of wrong answers alone it would be 0, which is no figure of the label
    return LabelScores(name, label.images, precision, recall, f1, label.threshold, counts)


def _best(item: tuple[str, documents.LabelFigures]) -> LabelScores:
    """Figures of a label in an evaluation without rejection."""
    name, label = item
    return LabelScores(name, label.images, label.precision, label.recall, label.f1.value if label.f1 else None)


def _mean(found: Sequence[float | None]) -> float | None:
    """Mean over labels; one that was never predicted counts as 0."""
    return sum(one or 0.0 for one in found) / len(found) if found else None


@dataclass(frozen=True)
class Mixup:
    """Images of one label that were taken for another."""

    label: str
    predicted: str
    images: int
    share: float  # of the images of `label`


def mixups(confusion: documents.Confusion, most: int = 8) -> list[Mixup]:
    """The labels that are confused most often, most first."""
    names, counts = confusion.labels, confusion.counts
    found = [
        Mixup(names[row], names[column], count, count / sum(counts[row]))
        for row in range(len(names))
        for column, count in enumerate(counts[row])
        if count and row != column
    ]
    return sorted(found, key=lambda one: (-one.images, -one.share, one.label, one.predicted))[:most]


@dataclass(frozen=True)
class Guess:
    """One label of a tried image. Confidence and threshold from 0 to 1; no threshold is known of some models."""

    name: str
    confidence: float
    threshold: float | None
    answered: bool


@dataclass(frozen=True)
class Verdict:
    """What a model answers, all it considered (best first), and why it answers so."""

    guesses: list[Guess]
    reason: str

    @property
    def answers(self) -> list[Guess]:
        return [guess for guess in self.guesses if guess.answered]


def verdict(
    answers: Sequence[Mapping[str, Any]], everything: Sequence[Mapping[str, Any]], thresholds: Mapping[str, float]
) -> Verdict:
    """Compare what the API answers with what it says of all labels (MinConfidence=0); its confidences go to 100."""
    given = {answer["Name"] for answer in answers}
    every = {found["Name"]: found["Confidence"] / 100 for found in [*everything, *answers]}
    ranked = sorted(every.items(), key=lambda item: (-item[1], item[0]))
    guesses = [Guess(name, sure, thresholds.get(name), name in given) for name, sure in ranked]
    return Verdict(guesses, _reason(guesses))


def _reason(guesses: Sequence[Guess]) -> str:
    if any(guess.answered for guess in guesses):
        return ""
    if not guesses:
        return "The model gives this image no label at all: it looks like nothing the model was trained on."
    best = guesses[0]
    if best.threshold is not None and best.confidence < best.threshold:
        return (
            f"The model is not sure enough: {best.name} comes closest with {percent(best.confidence)}, "
            f"and its threshold is {percent(best.threshold)}."
        )
    return (
        f"Rejected as unknown: the image looks unlike everything the model was trained on. Were it one of its labels, "
        f"{best.name} would be the best guess with {percent(best.confidence)}."
    )


def thresholds(found: Scores | None) -> dict[str, float]:
    """Confidence from which each label is answered, as the evaluation tells."""
    labels = found.labels if found else []
    return {label.name: label.threshold for label in labels if label.threshold is not None}
