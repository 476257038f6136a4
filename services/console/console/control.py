"""Control routes of the whole system: status, models, dead letters and the ledger."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncSession

from console import fleet, ledger, status, trace
from console import models as listing
from strop import control, deadletters
from strop_contracts import control as documents
from strop_contracts import control_fleet, control_trace, errors, states, tables

router = control.routes("console")

SHOWN = 200
"""Letters in a list."""


@router.get("/status")
async def show(runtime: control.Runtime, caller: control.Caller) -> documents.Status:
    """Return the counts of each of the caller's projects, what is queued, and how many dead letters are open."""
    found = await status.status(runtime)
    own = [each for each in found.projects if caller.may(states.Role.REVIEWER, each.name)]
    return found.model_copy(update={"projects": own})


@router.get("/projects/{project}/models")
async def models(project: str, session: control.Session) -> documents.Models:
    """List the model versions of a project, newest first."""
    await _require(session, project)
    return await listing.models(session, project)


@router.get("/projects/{project}/fleet")
async def devices(
    project: str, session: control.Session, wanted: Annotated[control_fleet.Page, Query()]
) -> control_fleet.Fleet:
    """List one page of the devices of a project, with what they last reported and counted."""
    await _require(session, project)
    return await fleet.page(session, project, wanted)


@router.get("/captures/{capture}")
async def journey(
    capture: UUID, session: control.Session, runtime: control.Runtime, caller: control.Caller
) -> control_trace.Trace:
    """Return what became of a capture."""
    project = await trace.project_of(session, capture)
    caller.require(states.Role.REVIEWER, project)
    return await trace.trace(runtime, project, capture)


@router.post("/projects/{project}/ledger")
async def account(
    project: str, journals: documents.Journals, session: control.Session, runtime: control.Runtime
) -> documents.Ledger:
    """Account for every capture of a project and for those of the journals, and name what is stuck."""
    await _require(session, project)
    fates = {str(capture): fate for capture, fate in journals.fates.items()}
    return await ledger.look(session, project, fates, runtime.settings.reconcile_after)


@router.get("/dead-letters")
async def letters(session: control.Session, service: str | None = None) -> documents.DeadLetters:
    """List the open dead letters, the newest first."""
    found = await deadletters.list_open(session, service, SHOWN)
    counts = await deadletters.count_open(session)
    total = counts.get(service, 0) if service else sum(counts.values())
    return documents.DeadLetters(letters=[_letter(each) for each in found], total=max(total, len(found)))


@router.get("/dead-letters/{letter}")
async def letter(letter: UUID, session: control.Session) -> documents.DeadLetter:
    """Return a dead letter with its message, whatever its state."""
    found = await deadletters.get(session, letter)
    return _letter(found, deadletters.pretty(found.body))


@router.post("/dead-letters/retry")
async def retry(decision: documents.Decision, session: control.Session) -> documents.Count:
    """Send open letters to their queues again."""
    return await _decide(deadletters.retry, decision, session)


@router.post("/dead-letters/drop")
async def drop(decision: documents.Decision, session: control.Session) -> documents.Count:
    """Drop open letters for good; the rows stay."""
    return await _decide(deadletters.drop, decision, session)


async def _decide(decide: deadletters.Decide, decision: documents.Decision, session: AsyncSession) -> documents.Count:
    if decision.letters is not None:
        locked = await deadletters.lock(session, decision.letters)
        closed = [each for each in decision.letters if locked.get(each) != states.LetterState.OPEN]
        if closed:
            raise errors.Refused(f"nothing is changed: {'; '.join(_why(each, locked.get(each)) for each in closed)}")
    return documents.Count(count=await decide(session, decision.letters, decision.service))


def _why(letter: UUID, state: str | None) -> str:
    return f"{letter} was {state}" if state else f"there is no dead letter {letter}"


def _letter(row: tables.DeadLetter, body: str = "") -> documents.DeadLetter:
    return documents.DeadLetter(
        id=row.id, service=row.service, state=row.state, reason=row.reason, count=row.count,
        first_at=row.first_at, last_at=row.last_at, body=body,
    )  # fmt: skip


async def _require(session: AsyncSession, project: str) -> None:
    if await session.get(tables.Project, project) is None:
        raise errors.NotFound(f"there is no project {project}: `strop projects create {project}` creates it")
