"""Who may sign in: every service whose pages sign people in writes these tables (`services.Service.signs_in`)."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from strop_contracts import states
from strop_contracts.tables.base import Base, created


class User(Base):
    """A person, or a program, who may sign in."""

    __tablename__ = "users"
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = created()


class Membership(Base):
    """The role of a user in one project, or in all."""

    __tablename__ = "memberships"
    user: Mapped[str] = mapped_column(ForeignKey("users.name"), primary_key=True)
    project: Mapped[str] = mapped_column(primary_key=True)  # or `access.ALL`
    role: Mapped[states.Role]
    at: Mapped[datetime] = created()


class Token(Base):
    """A credential of a user. Only its hash is stored."""

    __tablename__ = "tokens"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.name"))
    kind: Mapped[states.TokenKind]
    at: Mapped[datetime] = created()
    expires_at: Mapped[datetime | None]
