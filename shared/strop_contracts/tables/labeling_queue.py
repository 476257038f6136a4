"""The tables that labeling-queue owns."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from strop_contracts import states
from strop_contracts.tables.base import Base, created, new_id


class LabelTask(Base):
    """A stored capture that needs a person's answer."""

    __tablename__ = "label_tasks"
    __table_args__ = (
        UniqueConstraint("capture_id"),
        Index(None, "project", "priority", "id", postgresql_where=text("state = 'open'")),
        Index("ix_label_tasks_copy_due", "copy_due_at", postgresql_where=text("copy_due_at is not null")),
        Index("ix_label_tasks_mine", "project", "leased_by", postgresql_where=text("state = 'open'")),
    )
    id: Mapped[UUID] = new_id()
    kind: Mapped[str] = mapped_column(server_default=text("'image'"))  # one that `labeling_queue.kinds` has registered
    project: Mapped[str]
    capture_id: Mapped[UUID]
    device: Mapped[str]
    sha256: Mapped[str]
    state: Mapped[states.TaskState] = mapped_column(server_default=text("'open'"))
    priority: Mapped[float]  # smaller comes first: the margin of the prediction; audits spread evenly
    probability: Mapped[float] = mapped_column(server_default=text("1"))
    """Of an audit: probability with which it was sent to labelers; 0: it was not. Live accuracy weighs its label with it."""
    extra: Mapped[bool] = mapped_column(server_default=text("false"))
    """An audit outside the even sample of audits: it is not golden, because its stratum got more labels than others."""
    leased_by: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    copy_leased_until: Mapped[datetime | None]  # the copy in the folders is being moved
    copy_due_at: Mapped[datetime | None]  # since when its ground truth differs from its folder; None: it does not
    at: Mapped[datetime] = created()


class Annotation(Base):
    """One person's answer to one task; taken back rather than deleted."""

    __tablename__ = "annotations"
    __table_args__ = (Index(None, "task_id"), Index(None, "author", "at"))
    id: Mapped[UUID] = new_id()
    project: Mapped[str]
    task_id: Mapped[UUID] = mapped_column(ForeignKey("label_tasks.id"))
    author: Mapped[str]
    answer: Mapped[states.AnswerKind]
    label: Mapped[str | None]
    source: Mapped[states.AnswerSource]
    at: Mapped[datetime] = created()
    undone_at: Mapped[datetime | None]


class GroundTruth(Base):
    """The agreed label of a capture. `label` None: people agreed that it is unusable."""

    __tablename__ = "ground_truth"
    __table_args__ = (Index(None, "project", "at"), Index(None, "project", "label"))
    capture_id: Mapped[UUID] = mapped_column(primary_key=True)
    project: Mapped[str]
    device: Mapped[str]
    sha256: Mapped[str]
    label: Mapped[str | None]
    author: Mapped[str]
    at: Mapped[datetime] = created()


class FolderLabel(Base):
    """What a person decided about the name of a folder below `labeled_field_data/`: it is a label, or stands for another one."""

    __tablename__ = "folder_labels"
    project: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str]  # equal to `name`: a label of its own
    author: Mapped[str]
    at: Mapped[datetime] = created()


class FiledLabel(Base):
    """A capture whose file lies in the folder of an unknown label, which waits for a decision. One folder per capture."""

    __tablename__ = "filed_labels"
    __table_args__ = (Index(None, "project", "label"),)
    capture_id: Mapped[UUID] = mapped_column(primary_key=True)
    project: Mapped[str]
    label: Mapped[str]
    at: Mapped[datetime] = created()  # when the file was put there
