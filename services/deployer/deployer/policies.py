"""A project's rollout policy: versioned; what was never set has the service's default."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from deployer import windows
from deployer.settings import Settings, Share
from strop import db
from strop_contracts import errors, tables

_LONGEST = 1e7
"""Largest number of seconds: an infinite one is neither JSON nor an interval of PostgreSQL."""


def _split(value: Any) -> Any:
    """Read "0.05,0.25,1" as a list."""
    return value.split(",") if isinstance(value, str) else value


def _named(value: Any) -> Any:
    """Read "line-1=22:00-04:00 Europe/Berlin;*=…" as a dict."""
    if not isinstance(value, str):
        return value
    pairs = [each.partition("=") for each in value.split(";") if each.strip()]
    return {group.strip(): window.strip() for group, _, window in pairs}


Effect = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(gt=1, le=1000)]


class RolloutPolicy(BaseModel):
    """How a project's models are rolled out, and which differences between the new and the old model matter."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stages: Annotated[list[Share], BeforeValidator(_split)] = Field(
        [0.05, 0.25, 1.0], description="cumulative shares of the fleet; the last is 1"
    )
    soak: float = Field(
        900, ge=0, le=_LONGEST, description="seconds that a stage runs before the next opens; 0: no behaviour checks"
    )
    min_predictions: int = Field(200, ge=0, description="predictions of the new model before the second stage opens")
    approval: Literal["none", "first", "every"] = Field(
        "none", description="whether the stage after the first one, or every stage, waits for `strop rollout approve`"
    )
    on_breach: Literal["rollback", "hold"] = Field(
        "rollback", description="what happens when a check finds harm: the fleet goes back, or the rollout is held"
    )
    alpha: float = Field(
        0.01, gt=0, lt=0.5, description="chance that a model no worse is stopped, all checks and looks of a rollout"
    )
    failed: Effect = Field(0.02, description="rise of the share of images without a valid result that matters")
    slower: Ratio = Field(2, description="ratio of the latencies that matters")
    doubt: Ratio = Field(
        4,
        description="factor by which the share of uncertain predictions may shrink beyond what the evaluation explains",
    )
    low: Effect = Field(0.15, description="rise of the share of images kept for low confidence that matters")
    novel: Effect = Field(0.10, description="rise of the share of images rejected as novel that matters")
    labels: Effect = Field(0.20, description="rise of one label's share that matters, beyond the gain in accuracy")
    accuracy: Effect = Field(0.10, description="loss of accuracy on labelled audits that matters")
    windows: Annotated[dict[str, str], BeforeValidator(_named)] = Field(
        {},
        description="when devices of a group take a new model, in local time: GROUP=DAYS HH:MM-HH:MM ZONE;… (`*`: other groups)",
    )

    @model_validator(mode="after")
    def _valid(self) -> "RolloutPolicy":
        if not self.stages or self.stages != sorted(set(self.stages)) or self.stages[-1] != 1:
            raise ValueError("stages must rise and end with 1, such as 0.05,0.25,1")
        for text in self.windows.values():
            windows.parse(text)
        return self


def defaults(settings: Settings) -> RolloutPolicy:
    """Return the policy of a project that has set nothing."""
    return RolloutPolicy(stages=settings.stages, soak=settings.soak, min_predictions=settings.min_predictions)


async def newest(session: AsyncSession, project: str, settings: Settings) -> tuple[int, RolloutPolicy]:
    """Return version and values that count: version 0 until a value is set."""
    version, body = await _body(session, project)
    changed = RolloutPolicy.model_validate(body).model_dump(exclude_unset=True)
    return version, defaults(settings).model_copy(update=changed)


async def closed_groups(session: AsyncSession, project: str, settings: Settings) -> frozenset[str]:
    """Return the groups of devices that take no new model now, because their maintenance window is closed."""
    _, policy = await newest(session, project, settings)
    if not policy.windows:
        return frozenset()
    groups = select(tables.Device.device_group).where(tables.Device.project == project).distinct()
    return windows.closed(policy.windows, set(await session.scalars(groups)), datetime.now(UTC))


async def change(session: AsyncSession, project: str, changes: Mapping[str, str], by: str) -> None:
    """Add a version with these values changed, in the caller's transaction; Refused if one is unknown or out of range."""
    if unknown := sorted(set(changes) - set(RolloutPolicy.model_fields)):
        known = ", ".join(RolloutPolicy.model_fields)
        raise errors.Refused(f"there is no value {', '.join(unknown)}; there are {known}")
    await db.lock(session, f"rollout policy {project}")
    version, body = await _body(session, project)
    try:
        merged = RolloutPolicy.model_validate({**body, **changes}).model_dump(exclude_unset=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise errors.Refused(": ".join([*map(str, first["loc"]), first["msg"]])) from error
    session.add(tables.RolloutPolicy(project=project, version=version + 1, body=merged, by=by))
    await session.flush()


async def _body(session: AsyncSession, project: str) -> tuple[int, dict[str, Any]]:
    table = tables.RolloutPolicy
    wanted = select(table).where(table.project == project).order_by(table.version.desc()).limit(1)
    row = await session.scalar(wanted)
    return (row.version, row.body) if row else (0, {})
