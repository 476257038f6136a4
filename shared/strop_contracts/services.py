"""One declaration per service: its tables, its events, its port, its image. Grants, routes and wiring are made from it.

A service owns the tables of the module `tables/<package>.py`: no other service writes them. Tests compare the grants in
PostgreSQL, the import rules, the Dockerfile and docker-compose.yml with this file.
"""

from dataclasses import dataclass

from strop_contracts import events, tables
from strop_contracts.tables import accounts, kernel

Tables = tuple[type[tables.Base], ...]


def _of(module: str) -> Tables:
    """Return the tables that are declared in a module, by name."""
    mapped = [mapper.class_ for mapper in tables.Base.registry.mappers if mapper.class_.__module__ == module]
    return tuple(sorted(mapped, key=lambda table: str(table.__tablename__)))


@dataclass(frozen=True, slots=True)
class Service:
    """The declaration of a service."""

    name: str  # of its folder, queue, image and container
    consumes: tuple[type[events.Event], ...] = ()  # its queue receives them; without any it has no queue
    reads: Tables = ()  # of other owners
    signs_in: bool = False  # its pages sign people in: it writes users and tokens
    published: int | None = None  # the port of this machine at which docker-compose.yml publishes its HTTP side
    mqtt: bool = False  # it connects to the broker, with a certificate of its own
    agent: bool = False  # its image contains the device agent, `strop_edge`

    @property
    def package(self) -> str:
        """Its Python package."""
        return self.name.replace("-", "_")

    @property
    def role(self) -> str:
        """The PostgreSQL role it runs as."""
        return f"strop_{self.package}"

    @property
    def owns(self) -> Tables:
        """The tables that it alone writes."""
        return _of(f"{tables.__name__}.{self.package}")

    @property
    def writes(self) -> Tables:
        """All tables it may write: its own, and those of the kernel and of sign-in."""
        shared = tuple(table for table in _of(kernel.__name__) if table not in self.appends)
        return (*self.owns, *shared, *(_of(accounts.__name__) if self.signs_in else ()))

    @property
    def appends(self) -> Tables:
        """The tables it may add rows to, and not read unless declared: a service cannot change what is written there."""
        return (kernel.AuditEntry,)


_HOME = (
    *(tables.Project, tables.Device, tables.Image, tables.HostedImage),
    *(tables.TrainingRun, tables.ModelVersion, tables.Evaluation, tables.ProjectVersion),
)
"""What the home page reads, beside the tables of labeling-queue; every service with pages has this page."""

_CALLERS = (accounts.Token, accounts.Membership)
"""What control routes read, to decide who may call them."""

INGEST = Service(
    "ingest",
    consumes=(events.ImageRequested, events.ImageDeclined, events.ProjectDeleted),
    reads=(*_CALLERS, tables.Project, tables.GroundTruth, tables.FiledLabel, tables.ModelFile),
    mqtt=True,
)
ROUTER = Service(
    "router",
    consumes=(events.CaptureReceived, events.ProjectDeleted),
    reads=(
        *(*_CALLERS, tables.Project, tables.Capture, tables.Device, tables.UsageHour),
        *(tables.GroundTruth, tables.LabelTask, tables.Evaluation),
    ),
)
LABELING_QUEUE = Service(
    "labeling-queue",
    consumes=(
        *(events.ImageStored, events.LabelFiled, events.CopyMoved),
        *(events.ImageLabeled, events.ProjectDeleted),
    ),
    reads=(*_HOME, tables.Capture, tables.DatasetItem, tables.Upload, tables.AuditEntry, tables.QualityReport),
    signs_in=True,
    published=8000,
)
TRAINER = Service(
    "trainer",
    consumes=(
        *(events.TrainingRequested, events.TrainingOrdered, events.ImageLabeled),
        *(events.QualityDegraded, events.HostedModelDeleted, events.ProjectDeleted),
    ),
    reads=(
        *(*_CALLERS, tables.Project, tables.Capture, tables.DatasetItem, tables.GroundTruth),
        *(tables.Deployment, tables.LabelTask, tables.QualityModel),
    ),
    agent=True,  # it evaluates models with the code that runs them on devices
)
DEPLOYER = Service(
    "deployer",
    consumes=(
        *(events.ModelApproved, events.DeviceReported),
        *(events.DeploymentRolledBack, events.ProjectDeleted),  # the first: to publish it over MQTT
    ),
    reads=(
        *(*_CALLERS, tables.Project, tables.Device, tables.ModelVersion, tables.Policy),
        *(tables.UsageHour, tables.Evaluation, tables.Capture, tables.GroundTruth),  # to compare models
    ),
    mqtt=True,
)
CUSTOM_LABELS = Service(
    "custom-labels",
    consumes=(
        *(events.ModelRegistered, events.TrainingFailed),
        *(events.DatasetChangeRequested, events.ProjectDeleted, events.ProjectCleared),
    ),
    reads=(
        *(*_CALLERS, tables.Capture, tables.Device, tables.DatasetItem),
        *(tables.TrainingRun, tables.ModelVersion, tables.Evaluation),
    ),
    published=8001,
    agent=True,  # hosted models run in it
)
CONSOLE = Service(
    "console",
    reads=(
        *(*_HOME, tables.LabelTask, tables.Annotation, tables.GroundTruth),
        *(tables.DatasetItem, tables.HostedDataset, tables.HostedEntry),
        # For the status and the ledger, which account for a capture in all services.
        *(tables.Capture, tables.Route, tables.Upload, tables.Deployment, tables.DeploymentDevice),
        *(tables.HostedChange, tables.DatasetVersion, tables.RolloutCheck, tables.UsageHour),
        *(tables.QualityReport, tables.QualityEstimate),
    ),
    signs_in=True,
    published=8002,
)

ALL = (INGEST, ROUTER, LABELING_QUEUE, TRAINER, DEPLOYER, CUSTOM_LABELS, CONSOLE)
"""Every service, in the order in which they start and stop: what feeds the others comes first."""


def get(name: str) -> Service:
    """Return the service of this name; KeyError if there is none."""
    return {service.name: service for service in ALL}[name]
