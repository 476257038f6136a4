"""Every message between services: frozen, past tense, additive (add fields with a default, never change a meaning).

The envelope on a queue is `{"id": …, "name": "ImageStored", "at": …, "body": {…}}`, with `"trace"` while traces are on.
"""

import json
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from strop_contracts import errors
from strop_wire import ids

_ENVELOPE = {"id", "at", "trace"}


def _now() -> datetime:
    return datetime.now(UTC)


class Event(BaseModel):
    """What every event carries. `id` is the idempotency key: the inbox of each consumer accepts it once."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    registry: ClassVar[dict[str, type["Event"]]] = {}

    id: UUID = Field(default_factory=ids.uuid7)
    at: datetime = Field(default_factory=_now)
    trace: str | None = None  # what it belongs to, as W3C `traceparent`: see `traces`
    project: str

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Event.registry[cls.__name__] = cls

    def dumps(self) -> str:
        trace = f', "trace": {json.dumps(self.trace)}' if self.trace else ""
        body = self.__pydantic_serializer__.to_json(self, exclude=_ENVELOPE).decode()
        name, at = type(self).__name__, self.at.isoformat()
        return f'{{"id": "{self.id}", "name": "{name}", "at": "{at}"{trace}, "body": {body}}}'


class CaptureReceived(Event):
    """A device announced a capture; its row is there. The router decides."""

    capture_id: UUID
    device: str


class ImageRequested(Event):
    """The router wants the image of a capture: ingest grants its upload."""

    capture_id: UUID
    device: str


class ImageDeclined(Event):
    """The router does not want the image of a capture: ingest publishes `drop` to the device."""

    capture_id: UUID
    device: str
    reason: str


class ImageStored(Event):
    """The image of a capture arrived, was verified and lies at `{project}/images/{sha256}`."""

    capture_id: UUID
    device: str
    sha256: str


class LabelFiled(Event):
    """Somebody moved a capture's file by hand into the folder of a label, below `labeled_field_data/`."""

    capture_id: UUID
    label: str


class CopyMoved(Event):
    """Somebody removed the copy of a capture with a label, or put it back into `raw_field_data/`: its label may have gone."""

    capture_id: UUID


class ImageLabeled(Event):
    """A person's answer became the ground truth of a capture (`label` None: it was taken back or is unusable)."""

    capture_id: UUID
    device: str
    label: str | None
    author: str


class TrainingRequested(Event):
    """A training run was created (by a trigger or by a person) and waits for a trainer."""

    run_id: UUID


HOSTED_BACKBONE = "lite0+lite2"
"""The backbone of hosted models: a name that the trainer defines."""


class TrainingOrdered(Event):
    """Somebody wants a model of exactly these images: the trainer makes the run `run_id` for it.

    `manifest` is a key in our bucket: JSON lines as in a dataset version (sha256, label, part, origin, group).
    """

    run_id: UUID
    manifest: str
    backbone: str


class ModelRegistered(Event):
    """A training run ended with a model, whatever the gate thought of it. The event's id is that of the run."""

    run_id: UUID
    model_version: int


class TrainingFailed(Event):
    """A training run ended without a model."""

    run_id: UUID
    reason: str


class DatasetChangeRequested(Event):
    """A change of a hosted data set is requested: the row `change_id` has its entries."""

    change_id: UUID


class ProjectDeleted(Event):
    """A project was deleted: each service removes the project's rows and objects that it owns, and answers.

    `deletion_id` differs for each deletion, because the name can be used again.
    """

    deletion_id: UUID


class ProjectCleared(Event):
    """A service has removed its part of a deleted project. After the last answer the name is free."""

    deletion_id: UUID
    service: str


class HostedModelDeleted(Event):
    """A hosted version was deleted: the trainer removes the model and its evaluations, unless a fleet may have it."""

    model_version: int


class ModelApproved(Event):
    """A model version passed the gate (or a person approved it) and shall be rolled out."""

    model_version: int


class DeploymentRolledBack(Event):
    """A rollout, or the project's current model, was taken back; `deployment_id` is that of the deployment that ended so."""

    deployment_id: UUID
    model_version: int
    to_version: int | None  # None: a first rollout was stopped, and nothing can be returned to
    automatic: bool
    by: str  # a user, or `states.AUTOMATIC`
    reason: str
    devices_reached: int  # that had the model, or its order


class QualityDegraded(Event):
    """A model became significantly worse in the field than in its evaluation. Once, until it has recovered."""

    model: str
    value: float  # accuracy as estimated from audits, with its interval
    low: float
    high: float
    expected: float  # accuracy on the held-out field images of its evaluation


class DeviceReported(Event):
    """A device answered a deployment, or was seen running another model version than before."""

    device: str
    model: str | None
    deployment_id: UUID | None = None
    outcome: str | None = None
    reason: str = ""


def loads(text: str) -> Event:
    """Read an envelope; InvalidMessage has the fault."""
    try:
        data = json.loads(text)
        kind = Event.registry[data["name"]]
        return kind.model_validate({**data["body"], "id": data["id"], "at": data["at"], "trace": data.get("trace")})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise errors.InvalidMessage(f"{data['name']}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise errors.InvalidMessage(f"not an event: {type(error).__name__}: {error}") from error
