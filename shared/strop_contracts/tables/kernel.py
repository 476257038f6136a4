"""The tables of the kernel, which every service writes through `inbox`, `outbox` and `deadletters`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from strop_contracts import states
from strop_contracts.tables.base import Base, created, new_id


class Inbox(Base):
    """An event a consumer has handled: claimed in the transaction that did the work. Forgotten when it cannot come back."""

    __tablename__ = "inbox"
    __table_args__ = (Index(None, "at"),)
    consumer: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = created()


class Outbox(Base):
    """A message to be sent: one row per queue, deleted once the queue has it."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    queue: Mapped[str]
    body: Mapped[str]
    reason: Mapped[str | None]  # set on what goes to a dead-letter queue
    refusals: Mapped[int] = mapped_column(server_default=text("0"))  # by the queue, which accepted others meanwhile
    at: Mapped[datetime] = created()


class AuditEntry(Base):
    """A change that a user asked for, written before it is made. Services may only add rows."""

    __tablename__ = "audit_log"
    __table_args__ = (Index(None, "at"),)
    id: Mapped[UUID] = new_id()
    at: Mapped[datetime] = created()
    user: Mapped[str]
    source: Mapped[str]  # "page": a browser; "api": a program or the command
    address: Mapped[str | None]  # of the client, or of the last proxy before the service
    method: Mapped[str]
    path: Mapped[str]
    project: Mapped[str | None]
    allowed: Mapped[bool]


class DeadLetter(Base):
    """A message that failed for good. One that was redriven and fails again is open again."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        UniqueConstraint("service", "sha256"),
        Index("ix_dead_letters_open", "service", "last_at", postgresql_where=text("state = 'open'")),
    )
    id: Mapped[UUID] = new_id()
    service: Mapped[str]
    sha256: Mapped[str]  # of the body: what makes two letters the same
    body: Mapped[str]
    reason: Mapped[str]  # of the last time
    count: Mapped[int] = mapped_column(server_default=text("1"))  # how often it failed
    first_at: Mapped[datetime] = created()
    last_at: Mapped[datetime] = created()
    state: Mapped[states.LetterState] = mapped_column(server_default=text("'open'"))
