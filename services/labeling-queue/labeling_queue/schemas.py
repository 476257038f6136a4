"""What the API takes and gives, as its documentation shows it."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from strop import models

SHOWN_PREDICTIONS = 5


class Prediction(BaseModel):
    label: str
    confidence: float = Field(description="From 0 to 1.")


class Task(BaseModel):
    """An image that waits for an answer, leased to you."""

    id: UUID
    image: str = Field(description="Path of the image's bytes on this server.")
    width: int
    height: int
    device: str
    captured_at: datetime = Field(description="When the device says it took the image.")
    audit: bool = Field(description="Drawn at random to measure the model, whatever it predicted.")
    model: str = Field(description="Version of the model that predicted.")
    predictions: list[Prediction] = Field(description="The model's best guesses, best first.")
    leased_until: datetime = Field(description="Ask for the next tasks again before then to keep this one.")

    @classmethod
    def of(cls, task: models.LabelTask, capture: models.Capture, image: models.Image) -> Self:
        return cls.model_validate(
            {
                "id": task.id,
                "image": f"/api/tasks/{task.id}/image",
                "width": image.width,
                "height": image.height,
                "device": task.device,
                "captured_at": capture.captured_at,
                "audit": capture.audit,
                "model": capture.model,
                "predictions": capture.predictions[:SHOWN_PREDICTIONS],
                "leased_until": task.leased_until,
            }
        )


class Answer(BaseModel):
    """What you see: a label, or why there is none."""

    answer: str = Field(
        description="`label`; `unclear`: cannot be told; `none`: none of the labels; `bad`: the image is of no use.",
        examples=["label"],
    )
    label: str | None = Field(None, description="With `label`: which one. It may be new.", examples=["soda can"])


class Annotation(BaseModel, from_attributes=True):
    """An answer on record."""

    id: UUID
    task_id: UUID
    author: str
    answer: str
    label: str | None
    at: datetime


class Undone(BaseModel):
    annotation: Annotation = Field(description="The answer that was taken back.")
    task: Task | None = Field(description="Open again and leased to you; null when somebody else's answer stands.")


class Share(BaseModel, from_attributes=True):
    author: str
    answers: int


class Progress(BaseModel, from_attributes=True):
    waiting: int = Field(description="Tasks without an answer, those on lease too.")
    done: int = Field(description="Answers given since `since`, without those taken back.")
    since: datetime
    by: list[Share] = Field(description="Who gave them, most first.")
