"""The JSON documents of the control API, `/api/control/{service}/…`: services offer it, the `strop` command calls it."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from strop_contracts.states import Role

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


class NewDevices(Devices):
    alias: str | None = None  # of a single device: it also serves the topics `/request/classify/{alias}`

    @model_validator(mode="after")
    def _single(self) -> Self:
        if self.alias is not None and len(self.names) > 1:
            raise ValueError("an alias is of a single device")
        return self


class Device(Document):
    name: str
    model: str | None  # version of the model that it runs
    seen_at: datetime | None  # its last state report


class DeviceGroup(Document):
    names: list[str] = Field(min_length=1, max_length=10_000)
    group: str = Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]{0,62})?$")  # "" is no group


MAX_FILES = 500
"""Files of a data set that one request names."""


class NewFile(Document):
    """A local file that becomes a base image."""

    path: str  # below the data set: train/LABEL/… or valid/LABEL/…
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)  # bytes
    content_type: Literal["image/jpeg", "image/png", "image/webp"]


class NewFiles(Document):
    files: list[NewFile] = Field(min_length=1, max_length=MAX_FILES)


class Upload(Document):
    """A presigned PUT; the headers must be sent exactly so."""

    path: str
    url: str
    headers: dict[str, str]


class Uploads(Document):
    """Where to upload files. Those that are stored with the same bytes are left out."""

    at: datetime  # before the uploads, by the clock of the database
    uploads: list[Upload]


class Uploaded(Document):
    """Files that were uploaded after `since`, which is `Uploads.at`."""

    paths: list[str] = Field(max_length=MAX_FILES)
    since: datetime


class Outcomes(Document):
    """By path: why a file was refused, or None if it was accepted. Files that are not processed yet are missing."""

    outcomes: dict[str, str | None]


class Paths(Document):
    """Files of a data set."""

    paths: list[str]


class Removal(Document):
    paths: list[str] = Field(min_length=1, max_length=MAX_FILES)


class Sample(Document):
    """How many lines there are, and the first of them."""

    total: int
    first: list[str]


class LabelCount(Document):
    dataset: str
    split: str
    label: str
    images: int


class BaseImages(Document):
    """The base images of a project, and where its rows and the bucket differ."""

    counts: list[LabelCount]
    refused: Sample
    unused: dict[str, Sample]  # keys that are no base images, by reason
    gone: Sample  # keys with a row and without an object
    unseen: Sample  # keys with an object and without a row


class WaitingLabel(Document):
    """The name of a folder below `labeled_field_data/` that no label of the project has: a new label, or a misspelled one."""

    name: str
    images: int
    since: datetime  # of the first image
    nearest: str | None  # the label that is spelled most like it


class Labels(Document):
    """The labels of a project, and those that wait for a person's decision."""

    labels: list[str]
    waiting: list[WaitingLabel]


class LabelDecision(Document):
    """What the name of a folder stands for: a label of its own (`label` equals `name`), or another one."""

    name: str
    label: str


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


class ProjectSettings(Document):
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
    kind: Literal["once", "api"]
    days: int | None = Field(None, ge=1, le=3650)  # until it expires


class Token(Document):
    token: str


class TokenInfo(Document):
    """A token without its text, which is not stored."""

    user: str
    kind: str  # once: a sign-in link; session; api
    at: datetime
    expires_at: datetime | None


class Membership(Document):
    """The role of a user in one project, or in all (`access.ALL`)."""

    user: str
    role: Role
    project: str


class AuditEntry(Document):
    """A change that a user asked for."""

    at: datetime
    user: str
    source: str  # page, or api
    address: str | None
    method: str
    path: str
    project: str | None
    allowed: bool


class Verdict(Document):
    """A model version and the reasons of the gate."""

    version: int
    state: str
    reasons: list[str]


class TrainingChoice(Document):
    """How to train. Without a backend the project's; `options` replace single ones of the same backend."""

    backend: str | None = None
    options: dict[str, Any] = {}
    save: bool = False  # for the later runs of the project, too


class Requested(Document):
    """A training run that was requested, and base images that lie under several labels."""

    run: UUID
    conflicts: list[str]


class Run(Document):
    id: UUID
    state: str
    error: str | None
    model: Verdict | None
    progress: str = ""  # for people


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
    """Ids of captures that are not accounted for exactly once, and what is stuck. All lists are empty once all is settled."""

    captures: int  # rows
    announced: int  # captures in the devices' journals
    lost: list[str] = []  # a device announced it, and it has no row
    doubled: list[str] = []  # two rows, routes or tasks; or one image of one device twice
    unsettled: list[str] = []  # no route, no fate, or stored without a task
    disagreeing: list[str] = []  # stored by the device's journal, not by the tables
    repeated: list[str] = []  # training runs and deployments that exist twice, in words
    stuck: list[str] = []  # rows that wait for an event although it was emitted again, by kind, in words

    @property
    def wrong(self) -> bool:
        """Whether something is lost, doubled or stuck, which time does not repair."""
        return bool(self.lost or self.doubled or self.disagreeing or self.repeated or self.stuck)

    @property
    def clean(self) -> bool:
        return not (self.wrong or self.unsettled)
