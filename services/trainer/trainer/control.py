"""Control routes of training runs, models and triggers: request, follow, approve, set."""

from uuid import UUID

from sqlalchemy import select

from strop import control
from strop_contracts import control as documents
from strop_contracts import errors, tables
from strop_contracts.states import Role
from trainer import datasets, project_settings, queries, registry, triggers
from trainer.settings import Settings

router = control.routes("trainer")


@router.post("/projects/{project}/runs", status_code=201)
async def request(
    project: str, session: control.Session, choice: documents.TrainingChoice | None = None
) -> documents.Requested:
    """Request a training run now, however many new labels there are."""
    run = await triggers.by_hand(session, project, choice)
    return documents.Requested(run=run, conflicts=[str(each) for each in await datasets.conflicts(session, project)])


@router.get("/projects/{project}/conflicts")
async def conflicts(project: str, session: control.Session) -> list[str]:
    """Describe the base images that lie under several labels, one a line."""
    return [str(each) for each in await datasets.conflicts(session, project)]


@router.get("/runs/{run}")
async def show(run: UUID, session: control.Session, caller: control.Caller) -> documents.Run:
    """Return the state of a training run, and its model once there is one."""
    found = await session.get(tables.TrainingRun, run)
    if found is None:
        raise errors.NotFound(f"there is no training run {run}")
    caller.require(Role.REVIEWER, found.project)
    model = await session.scalar(select(tables.ModelVersion).where(tables.ModelVersion.run_id == run))
    verdict = documents.Verdict(version=model.version, state=model.state, reasons=model.reasons) if model else None
    return documents.Run(id=run, state=found.state, error=found.error, model=verdict, progress=found.progress.words)


@router.post("/projects/{project}/models/{version}/approve", status_code=204)
async def approve(
    project: str, version: int, body: documents.Signature, session: control.Session, caller: control.Caller
) -> None:
    """Approve a model that the gate refused, left undecided or never judged; its rollout begins."""
    await registry.approve(session, project, version, caller.name, body.reason)


@router.post("/projects/{project}/models/{version}/reject", status_code=204)
async def reject(
    project: str, version: int, body: documents.Signature, session: control.Session, caller: control.Caller
) -> None:
    """Refuse a model that the gate left undecided."""
    await registry.reject(session, project, version, caller.name, body.reason)


@router.get("/projects/{project}/settings")
async def settings(project: str, session: control.Session) -> documents.ProjectSettings:
    """Return the settings of triggers and gate, and the meaning of each."""
    await triggers.require(session, project)
    version, values = await project_settings.newest(session, project, Settings())
    return documents.ProjectSettings(
        version=version,
        values=[
            documents.PolicyValue(name=name, value=_shown(getattr(values, name)), meaning=field.description or "")
            for name, field in project_settings.ProjectSettings.model_fields.items()
        ],
    )


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@router.patch("/projects/{project}/settings")
async def change(
    project: str, body: documents.PolicyChanges, session: control.Session, caller: control.Caller
) -> documents.ProjectSettings:
    """Change settings of triggers and gate; they take effect at once."""
    await triggers.require(session, project)
    await project_settings.change(session, project, body.values, caller.name)
    await queries.schedule(session, [project])
    return await settings(project, session)


@router.get("/projects/{project}/triggers")
async def evidence(project: str, session: control.Session) -> documents.Triggers:
    """Return what asks for the next run, what is against it, the gain to expect, and the last decisions."""
    await triggers.require(session, project)
    return await triggers.report(session, project, Settings())
