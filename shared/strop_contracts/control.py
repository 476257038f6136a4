"""The JSON documents of the control API, `/api/control/{service}/…`: services offer it, the `strop` command calls it."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

PREFIX = "/api/control"
"""Path of all control routes; the name of the service that offers them follows."""


class Document(BaseModel):
    """Unknown fields are ignored, so that a command and a service of different versions understand each other."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Caller(Document):
    user: str


class NewProject(Document):
    name: str


class Project(Document):
    name: str
    at: datetime


class Devices(Document):
    names: list[str] = Field(min_length=1, max_length=10_000)


class Device(Document):
    name: str
    model: str | None  # version of the model that it runs
    seen_at: datetime | None  # its last state report


class PolicyValue(Document):
    """A value of a policy, or of the settings of a project."""

    name: str
    value: str
    meaning: str


class Policy(Document):
    version: int  # 0: the defaults
    values: list[PolicyValue]


class PolicyChanges(Document):
    values: dict[str, str]


class TrainingSettings(Document):
    """A project's settings of triggers and gate."""

    version: int  # 0: the defaults
    values: list[PolicyValue]


class TriggerProgress(Document):
    """How far one kind of evidence is from starting a run."""

    name: str
    have: float
    need: float  # 0: this trigger is off
    unit: str

    @property
    def words(self) -> str:
        """Return it as "37 of 50 labels"."""
        return f"{self.have:g} of {self.need:g} {self.unit}" if self.need else "off"


class TriggerDecision(Document):
    at: datetime
    run: bool  # whether a run was requested
    reasons: list[str]


class Triggers(Document):
    """What asks for the next run of a project, what is against it, the gain to expect, and the last decisions, newest first."""

    progress: list[TriggerProgress]
    against: list[str]
    gain: str
    decisions: list[TriggerDecision]


class Signature(Document):
    """Why a person approves or refuses a model."""

    reason: str = Field(min_length=1, max_length=500)


class NewToken(Document):
    user: str = Field(min_length=1, max_length=200)
    kind: Literal["once", "api", "operator"]


class Token(Document):
    token: str


class TokenInfo(Document):
    """A token without its text, which is not stored."""

    user: str
    kind: str  # once: a sign-in link; session; api; operator
    at: datetime
    expires_at: datetime | None


class Revocation(Document):
    """Revokes all tokens, links and sessions of a user."""

    user: str


class Verdict(Document):
    """A model version and the reasons of the gate."""

    version: int
    state: str
    reasons: list[str]


class Requested(Document):
    """A training run that was requested, and base images that lie under several labels."""

    run: UUID
    conflicts: list[str]


class Run(Document):
    id: UUID
    state: str
    error: str | None
    model: Verdict | None


class Model(Verdict):
    """A model version with its accuracy on field and base images, its newest deployment and its hosted version."""

    field: str
    base: str
    deployment: str
    hosted: str


class Models(Document):
    models: list[Model]  # newest first
    latest_run: str | None


class Rollback(Document):
    version: int | None  # the last version that was rolled out with success
    reason: str


class RolledBack(Document):
    version: int | None  # None: the first rollout was stopped


class DeadLetter(Document):
    id: UUID
    service: str
    state: str
    reason: str
    count: int
    first_at: datetime
    last_at: datetime
    body: str = ""  # only of a single letter


class DeadLetters(Document):
    """The newest open letters, and the number of all open ones."""

    letters: list[DeadLetter]
    total: int


class Decision(Document):
    """Which letters to retry or drop: these, all or none of them; or all open ones (of one service), which must be stated."""

    letters: list[UUID] | None = None
    every: bool = False
    service: str | None = None

    @model_validator(mode="after")
    def _stated(self) -> Self:
        if self.every == bool(self.letters):
            raise ValueError("either `letters` or `every`")
        return self


class Count(Document):
    count: int


class ProjectStatus(Document):
    name: str
    figures: dict[str, str]


class ServiceStatus(Document):
    name: str
    waiting: int  # messages in its queue
    dead: int  # dead letters, read or in the queue


class Status(Document):
    projects: list[ProjectStatus]
    services: list[ServiceStatus]
    unsent: int  # messages that are not yet in a queue


class Journals(Document):
    """The last fate of captures by id, from the journals of devices."""

    fates: dict[UUID, str] = {}


class Ledger(Document):
    """Ids of captures that are not accounted for exactly once. All lists are empty once everything is settled."""

    captures: int  # rows
    announced: int  # captures in the devices' journals
    lost: list[str] = []  # a device announced it, and it has no row
    doubled: list[str] = []  # two rows, routes or tasks; or one image of one device twice
    unsettled: list[str] = []  # no route, no fate, or stored without a task
    disagreeing: list[str] = []  # stored by the device's journal, not by the tables
    repeated: list[str] = []  # training runs and deployments that exist twice, in words

    @property
    def wrong(self) -> bool:
        """Whether something is lost or doubled, which time does not repair."""
        return bool(self.lost or self.doubled or self.disagreeing or self.repeated)

    @property
    def clean(self) -> bool:
        return not (self.wrong or self.unsettled)
