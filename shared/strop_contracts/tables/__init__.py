"""All tables, in one module per owner: only the owner writes a table (`services`); the others may read what they are granted.

Ids are UUIDv7 made by us or by the device. Times are the server's, except `captured_at`, which is the device's claim.
"""

from strop_contracts.tables.accounts import Membership, Token, User
from strop_contracts.tables.base import Base
from strop_contracts.tables.custom_labels import (
    HostedChange,
    HostedDataset,
    HostedEntry,
    HostedImage,
    Project,
    ProjectPolicy,
    ProjectVersion,
)
from strop_contracts.tables.deployer import (
    Deployment,
    DeploymentDevice,
    RolloutBaseline,
    RolloutCheck,
    RolloutDecision,
    RolloutPolicy,
)
from strop_contracts.tables.ingest import (
    Capture,
    DatasetItem,
    Device,
    DeviceReport,
    DeviceUsage,
    Image,
    Upload,
    UsageDay,
    UsageHour,
)
from strop_contracts.tables.kernel import AuditEntry, DeadLetter, Inbox, Outbox
from strop_contracts.tables.labeling_queue import Annotation, FiledLabel, FolderLabel, GroundTruth, LabelTask
from strop_contracts.tables.router import (
    Policy,
    QualityEstimate,
    QualityHour,
    QualityModel,
    QualityReport,
    Route,
)
from strop_contracts.tables.trainer import (
    DatasetVersion,
    Evaluation,
    ModelFile,
    ModelVersion,
    ProjectSettings,
    TrainingRun,
    TrainingSettings,
    TriggerCheck,
    TriggerDecision,
)

__all__ = [
    "Annotation",
    "AuditEntry",
    "Base",
    "Capture",
    "DatasetItem",
    "DatasetVersion",
    "DeadLetter",
    "Deployment",
    "DeploymentDevice",
    "Device",
    "DeviceReport",
    "DeviceUsage",
    "Evaluation",
    "FiledLabel",
    "FolderLabel",
    "GroundTruth",
    "HostedChange",
    "HostedDataset",
    "HostedEntry",
    "HostedImage",
    "Image",
    "Inbox",
    "LabelTask",
    "Membership",
    "ModelFile",
    "ModelVersion",
    "Outbox",
    "Policy",
    "Project",
    "ProjectPolicy",
    "ProjectSettings",
    "ProjectVersion",
    "QualityEstimate",
    "QualityHour",
    "QualityModel",
    "QualityReport",
    "RolloutBaseline",
    "RolloutCheck",
    "RolloutDecision",
    "RolloutPolicy",
    "Route",
    "Token",
    "TrainingRun",
    "TrainingSettings",
    "TriggerCheck",
    "TriggerDecision",
    "Upload",
    "UsageDay",
    "UsageHour",
    "User",
]
