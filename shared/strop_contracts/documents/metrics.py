"""How a model did on one part of a data set: `evaluations.metrics`. None stands where nothing was counted."""

from dataclasses import dataclass

from strop_contracts.documents.base import Document


@dataclass(frozen=True, slots=True)
class Share:
    """A measured share with its 95 % interval."""

    value: float
    low: float
    high: float


class LabelFigures(Document):
    """Figures of one label without rejection: the best label counts, whatever its confidence."""

    images: int
    precision: Share | None
    recall: Share | None
    f1: Share | None


class Confusion(Document):
    """Counts by label: rows are the truth, columns the prediction."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class Bin(Document):
    """Images of one range of confidence; `confidence` is the sum over them."""

    images: int
    right: int
    confidence: float


class Calibration(Document):
    """The expected calibration error and its bins, of equal width."""

    ece: float | None
    bins: tuple[Bin, ...]


class AnsweredLabel(Document):
    """Figures of one label with rejection: only an answered label counts."""

    images: int
    true_positives: int
    false_positives: int
    false_negatives: int
    precision: float | None
    recall: float | None
    f1: float | None
    threshold: float | None


class Answers(Document):
    """Figures with rejection, as Rekognition defines them: an image has no answer, one or several."""

    f1: float | None
    precision: float | None
    recall: float | None
    unanswered: int
    labels: dict[str, AnsweredLabel]


class LeftOut(Document):
    """An image that could not be used, and was left out of the training or of the evaluation."""

    sha256: str
    source: str  # where it came from
    label: str
    part: str
    origin: str
    reason: str


class Metrics(Document):
    """All figures of one evaluation."""

    images: int
    right: int
    accuracy: Share | None
    answered: Share | None  # confidence reaches the threshold of a device
    macro_f1: float | None
    labels: dict[str, LabelFigures]
    confusion: Confusion
    calibration: Calibration
    answers: Answers | None = None  # of evaluations before hosted models: none
    skipped: tuple[LeftOut, ...] = ()
