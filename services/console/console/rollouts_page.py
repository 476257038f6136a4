"""The rollouts of a project: stages as they fill, the checks of the new model against the old one, and people's decisions."""

import asyncio
from collections import defaultdict
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select

from console import charts, forms, page_context, queries
from console.control_api import ControlApi
from strop_contracts import control, errors, services, tables
from strop_contracts import control_rollouts as documents
from strop_web import shell

pages = page_context.router()

Action = Literal["approve", "hold", "resume", "abort"]


@pages.get("/projects/{project}/rollouts")
async def rollouts(project: str, request: Request, runtime: page_context.Runtime) -> Response:
    """Show the newest rollouts; the page polls them."""
    return await _page(request, runtime, project)


@pages.post("/projects/{project}/rollouts/decide/{action}")
async def decide(
    project: str,
    action: Action,
    request: Request,
    runtime: page_context.Runtime,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Approve, hold, resume or abort the running rollout. The deployer stores the person, the reason and the time."""
    try:
        await _deployer(request, runtime, project).send("POST", forms.signature(reason), "rollout", action)
    except errors.Refused as error:
        return await _page(request, runtime, project, str(error))
    return RedirectResponse(f"/console/projects/{project}/rollouts", 303, shell.SAFE)


@pages.post("/projects/{project}/rollouts/policy")
async def change(project: str, request: Request, runtime: page_context.Runtime) -> Response:
    """Change the rollout policy: the values that differ."""
    deployer, form = _deployer(request, runtime, project), await forms.texts(request)
    try:
        policy = await deployer.get(documents.RolloutPolicy, "rollout", "policy")
        if changes := forms.changes(policy.version, policy.values, form):
            await deployer.send("PATCH", control.PolicyChanges(values=changes), "rollout", "policy")
    except errors.Refused as error:
        return await _page(request, runtime, project, str(error))
    return RedirectResponse(f"/console/projects/{project}/rollouts", 303, shell.SAFE)


def _deployer(request: Request, runtime: page_context.Runtime, project: str) -> ControlApi:
    return ControlApi(runtime, services.DEPLOYER, request.state.me.name, project)


async def _page(request: Request, runtime: page_context.Runtime, project: str, trouble: str = "") -> Response:
    async with runtime.sessions() as session:  # none is held while the deployer answers
        await queries.require_project(session, project)
    shown: dict[str, Any] = {"rollout": None, "earlier": [], "policy": None, "curves": {}}
    deployer, status = _deployer(request, runtime, project), 409 if trouble else 200
    try:
        found, policy = await asyncio.gather(
            deployer.get(documents.Rollouts, "rollout"), deployer.get(documents.RolloutPolicy, "rollout", "policy")
        )
        shown |= {"rollout": next(iter(found.rollouts), None), "earlier": found.rollouts[1:], "policy": policy}
    except errors.Refused as error:
        trouble = trouble or str(error)
    if shown["rollout"]:
        async with runtime.sessions() as session:
            shown["curves"] = await curves(session, shown["rollout"].id)
    return page_context.page(request, "rollouts.html", status, project=project, trouble=trouble, **shown)


async def curves(session: page_context.Session, deployment: UUID) -> dict[str, charts.Pair | None]:
    """Return how each check developed over the looks of a deployment."""
    table = tables.RolloutCheck
    rows = await session.execute(
        select(table.name, table.new, table.old).where(table.deployment_id == deployment).order_by(table.look)
    )
    new, old = defaultdict[str, list[float | None]](list), defaultdict[str, list[float | None]](list)
    for row in rows:
        new[row.name].append(row.new)
        old[row.name].append(row.old)
    return {name: charts.Pair.of(new[name], old[name]) for name in new}
