"""What the API takes and gives, as its documentation shows it."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from strop_contracts import states
from strop_wire import fields, topics

NAME = f"^{topics.NAME.pattern}$"

# From a year on whose first and last moments are of the same era in every zone.
Moment = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), le=datetime(9999, 1, 1, tzinfo=UTC))]


class Problem(BaseModel):
    """Why a request was not followed."""

    detail: str | list[dict[str, Any]] = Field(
        description="In words; for a request that does not follow the description a list, with the place of each error."
    )


class Prediction(BaseModel):
    """One label and how sure the model is of it."""

    label: str = Field(description="The label.")
    confidence: float = Field(description="From 0 to 1.", ge=0, le=1)


class Task(BaseModel):
    """An image that waits for an answer, leased to you."""

    id: UUID = Field(description="To answer or skip it by.")
    kind: str = Field(description="What is asked: `image`, one label for one image. Other kinds may be added.")
    image: str = Field(description="Path of the image's bytes on this server.")
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    device: str = Field(description="The device that took the image.")
    captured_at: datetime = Field(description="When the image was captured, by the device's clock.")
    audit: bool = Field(description="Drawn at random to measure the model, whatever it predicted.")
    model: str = Field(description="Version of the model that predicted.")
    predictions: list[Prediction] = Field(description="The model's best guesses, best first.")
    leased_until: datetime = Field(description="Ask for the next tasks again before then to keep this one.")


class Answer(BaseModel):
    """What you see: a label, or why there is none."""

    answer: str = Field(
        description="`label`; `unclear`: cannot be decided; `none`: none of the labels; `bad`: the image is of no use.",
        examples=["label"],
        json_schema_extra={"enum": list(states.AnswerKind)},  # `rules` checks it, with an error text for people
    )
    label: str | None = Field(
        None,
        description="With `label`, and only then: which one. It may be new. White space and Unicode are normalised; no control or invisible characters.",
        examples=["soda can"],
        json_schema_extra={"maxLength": fields.MAX_LABEL},  # checked by `rules` too
    )


class Annotation(BaseModel, from_attributes=True):
    """An answer on record."""

    id: UUID = Field(description="Of this answer.")
    task_id: UUID = Field(description="The task it answers.")
    author: str = Field(description="Who gave it; `folder` when somebody moved the file by hand.")
    answer: str = Field(description="`label`, `unclear`, `none` or `bad`, as in the answer.")
    label: str | None = Field(description="With `label`: which one.")
    at: datetime = Field(description="When it was given, by the server's clock.")


class Undo(BaseModel):
    """Which answer to take back: your latest one in the project, or your latest one to a task."""

    project: str = Field(description="The project in which to take it back.", pattern=NAME, examples=["beverages"])
    task: UUID | None = Field(None, description="Take back no other answer than the one to this task.")


class Undone(BaseModel):
    """What was taken back, and what you may answer anew."""

    annotation: Annotation = Field(description="The answer that was taken back.")
    task: Task | None = Field(description="Open again and leased to you; null when somebody else's answer stands.")


class WaitingLabel(BaseModel, from_attributes=True):
    """The name of a folder that is not a label. Its images have no label until the name is confirmed or mapped."""

    name: str = Field(description="Name of the folder below `labeled_field_data/`.")
    images: int = Field(description="How many images lie there.")
    nearest: str | None = Field(description="The label that is spelled most like it; null if none is similar.")


class LabelDecision(BaseModel):
    """What the name of a folder stands for."""

    name: str = Field(description="Name of the folder, as listed.", examples=["water bottles"])
    label: str = Field(
        description="A label of the project; or the name itself, a new label.", examples=["water bottle"]
    )


class Decided(BaseModel):
    """What a decision led to."""

    images: int = Field(description="How many images get the label.")


class Share(BaseModel, from_attributes=True):
    """What one person did."""

    author: str = Field(description="Who.")
    answers: int = Field(description="How many answers that stand.")


class Progress(BaseModel, from_attributes=True):
    """How far the labeling is."""

    waiting: int = Field(description="Tasks without an answer, those on lease too.")
    done: int = Field(description="Answers given since `since`, without those taken back.")
    since: datetime = Field(description="From when on answers are counted.")
    by: list[Share] = Field(description="Who gave them, most first.")
