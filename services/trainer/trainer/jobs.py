"""The files between the trainer and its child process: the job, and its result. README.md ("The job") describes the fields."""

from pathlib import Path
from typing import Any

from pydantic import Field

from strop_contracts import documents, states
from strop_wire import messages

PARTS = {documents.Origin.BASE: documents.Part.VALID, documents.Origin.FIELD: documents.Part.GOLDEN}
"""The held-out part of the images, by origin."""

TRY_AGAIN = 3
"""Exit code of a training process that could not go on for no fault of the job, such as lack of memory."""


class Item(documents.Item):
    """An image of the data set, as a file whose content has been verified."""

    path: Path
    fault: str = ""  # why the file cannot be used; the image is left out


class Job(documents.Document):
    """What to train on, how, and where the package goes."""

    project: str
    version: str  # "v3"
    dataset: str  # the dataset version
    created_at: str  # ISO 8601
    images: tuple[Item, ...]
    cache: Path  # of what can be computed again
    output: Path  # becomes the package
    champion: Path | None = None  # the package to compare with; None for a first model, and for a hosted one
    backend: str = "head"  # one of `trainer.backends`
    options: dict[str, Any] = Field({})  # of the backend
    parent: int | None = None  # the process that waits for the result


class Result(documents.Document):
    """What the registry stores of a trained model."""

    labels: list[str]
    shared: str | None  # the file that models have in common
    files: dict[str, messages.ModelFile]  # all files of the package, by name
    evaluations: dict[documents.Origin, documents.Metrics]
    outcomes: dict[documents.Origin, Path]  # files with one `documents.Outcome` a line
    state: states.ModelState
    reasons: list[str]
