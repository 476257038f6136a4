"""The JSON document of the control API about one capture: what became of it, from the device to the models."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from strop_contracts import control, documents, states


class Prediction(control.Document):
    label: str
    confidence: float


class TraceRoute(control.Document):
    """What the router decided, and with which probability a capture like this one is uploaded."""

    at: datetime
    upload: bool
    reason: str
    probability: float
    policy: int


class TraceUpload(control.Document):
    """The fate of the image."""

    state: states.UploadState
    reason: str | None
    stored_at: datetime | None


class TraceAnswer(control.Document):
    """One person's answer; `undone_at` if it was taken back."""

    at: datetime
    author: str
    answer: states.AnswerKind
    label: str | None
    source: states.AnswerSource
    undone_at: datetime | None


class TraceTruth(control.Document):
    """The agreed label; None: people agreed that the image is unusable."""

    at: datetime
    label: str | None
    author: str


class TraceModel(control.Document):
    """A model that was made from a dataset version with the image, and how many devices run it."""

    version: int
    state: states.ModelState
    at: datetime
    devices: int


class TraceDataset(control.Document):
    """A dataset version that contains the image: with which label, and for what it was used."""

    version: int
    at: datetime
    label: str
    part: documents.Part
    models: list[TraceModel]


class Trace(control.Document):
    """The journey of one capture. What has not happened is None or empty."""

    id: UUID
    project: str
    device: str
    captured_at: datetime  # by the clock of the device
    at: datetime  # of its announcement
    model: str  # that made the prediction
    predictions: list[Prediction]  # best first
    reason: str
    audit: bool
    audit_probability: float
    probability: float  # that the device keeps a capture like this one
    policy: int
    sha256: str
    size: int  # bytes
    seen: int  # near copies that the device saw
    route: TraceRoute | None = None
    upload: TraceUpload | None = None
    task: states.TaskState | None = None
    answers: list[TraceAnswer] = Field([])  # oldest first
    truth: TraceTruth | None = None
    datasets: list[TraceDataset] = Field([])  # newest first
    unsearched: int = 0  # older dataset versions that were not searched
