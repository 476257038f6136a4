"""A project's settings of triggers and gate: versioned like a policy; what was never set has the service's default."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from strop import db
from strop_contracts import errors, tables
from trainer import gate
from trainer.settings import Settings

_GATE = gate.Limits()


_LONGEST = 1e7
"""Largest number of hours or seconds: infinite ones are neither JSON nor an interval of PostgreSQL."""


class ProjectSettings(BaseModel):
    """When a project trains, when a model is judged again, and what the gate demands."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    automatic: bool = Field(True, description="train when the evidence asks for it; by hand is always possible")
    min_labels: int = Field(
        100, ge=1, description="new labels to learn from that start a training; audits do not count"
    )
    new_label_images: int = Field(
        20, ge=0, description="images of a label that no model has, which start a training; 0: off"
    )
    every_hours: float = Field(
        0, ge=0, le=_LONGEST, description="hours after which any new label starts a training; 0: no schedule"
    )
    on_degradation: bool = Field(
        True, description="new labels start a training when the champion is significantly worse in the field"
    )
    debounce: float = Field(60, ge=0, le=_LONGEST, description="seconds without a new label before a run starts")
    max_wait: float = Field(1800, ge=0, le=_LONGEST, description="seconds that debounce delays a run at most")
    cooldown: float = Field(
        600, ge=0, le=_LONGEST, description="seconds between the end of a training and the start of the next"
    )
    judge_audits: int = Field(
        20, ge=0, description="new labelled audits after which an undecided model is judged again; 0: off"
    )
    gate_level: float = Field(
        _GATE.level, gt=0, lt=0.5, description="chance that a model no better is approved at first"
    )
    gate_base_margin: float = Field(
        _GATE.base_margin, ge=0, lt=1, description="share of the base images that may be lost"
    )
    gate_label_margin: float = Field(
        _GATE.label_margin, ge=0, lt=1, description="share of a label's images that may be lost"
    )
    gate_enough: int = Field(_GATE.enough, ge=1, description="images from which a model without a gain is refused")

    @property
    def limits(self) -> gate.Limits:
        """What the gate demands."""
        return gate.Limits(self.gate_level, self.gate_base_margin, self.gate_label_margin, self.gate_enough)


def defaults(settings: Settings) -> ProjectSettings:
    """Return the settings of a project that has set nothing."""
    return ProjectSettings(**settings.model_dump(include=set(ProjectSettings.model_fields)))


async def newest(session: AsyncSession, project: str, settings: Settings) -> tuple[int, ProjectSettings]:
    """Return version and values that count: version 0 until a value is set."""
    version, body = await _body(session, project)
    return version, defaults(settings).model_copy(update=_read(body))


async def change(session: AsyncSession, project: str, changes: Mapping[str, Any], by: str) -> None:
    """Add a version with these values changed, in the caller's transaction; Refused if one is unknown or out of range."""
    if unknown := sorted(set(changes) - set(ProjectSettings.model_fields)):
        known = ", ".join(ProjectSettings.model_fields)
        raise errors.Refused(f"there is no setting {', '.join(unknown)}; there are {known}")
    await db.lock(session, f"trainer-settings {project}")
    version, body = await _body(session, project)
    try:
        merged = ProjectSettings.model_validate({**body, **changes}).model_dump(exclude_unset=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise errors.Refused(": ".join([*map(str, first["loc"]), first["msg"]])) from error
    session.add(tables.ProjectSettings(project=project, version=version + 1, body=merged, by=by))


async def _body(session: AsyncSession, project: str) -> tuple[int, dict[str, Any]]:
    table = tables.ProjectSettings
    wanted = select(table).where(table.project == project).order_by(table.version.desc()).limit(1)
    row = await session.scalar(wanted)
    return (row.version, row.body) if row else (0, {})


def _read(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that were set."""
    return ProjectSettings.model_validate(body).model_dump(exclude_unset=True)
