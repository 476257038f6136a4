"""Control routes of training runs and models: request, follow, approve."""

from uuid import UUID

from sqlalchemy import select

from strop import control
from strop_contracts import control as documents
from strop_contracts import errors, tables
from strop_contracts.states import Role
from trainer import datasets, registry, triggers

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
async def approve(project: str, version: int, session: control.Session, caller: control.Caller) -> None:
    """Approve a model that the gate refused, left undecided or never judged; its rollout begins."""
    await registry.approve(session, project, version, caller.name)


@router.post("/projects/{project}/models/{version}/reject", status_code=204)
async def reject(project: str, version: int, session: control.Session, caller: control.Caller) -> None:
    """Refuse a model that the gate left undecided."""
    await registry.reject(session, project, version, caller.name)
