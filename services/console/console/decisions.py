"""Pages on which people decide: approve or refuse a model, compare it with its champion, set when a project trains."""

from typing import Annotated, Literal

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from console import comparison, forms, page_context, queries
from console.control_api import ControlApi
from console.evaluation_page import PartName, render
from strop_contracts import control, documents, errors, services
from strop_web import shell

pages = page_context.router()

MOST = 120
"""Changed images on a page."""


@pages.post("/projects/{project}/versions/{version}/decide/{verdict}")
async def decide(
    project: str,
    version: str,
    verdict: Literal["approve", "reject"],
    request: Request,
    runtime: page_context.Runtime,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Approve or refuse a model. The trainer stores the person, the reason and the time."""
    async with runtime.sessions() as session:  # none is held while the trainer answers
        found = await queries.version(session, project, version)
    if found.made is None:
        raise errors.NotFound(f"{version} has no model yet.")
    try:
        body = forms.signature(reason)
        trainer = ControlApi(runtime, services.TRAINER, request.state.me.name, project)
        await trainer.send("POST", body, "models", str(found.made.version), verdict)
    except errors.Refused as error:
        async with runtime.sessions() as session:
            return await render(request, session, project, version, trouble=str(error))
    return RedirectResponse(f"/console/projects/{project}/versions/{version}", 303, shell.SAFE)


@pages.get("/projects/{project}/versions/{version}/compare")
async def compare(
    project: str,
    version: str,
    request: Request,
    session: page_context.Session,
    tools: page_context.With,
    part: PartName | None = None,
) -> Response:
    """Compare a model with the champion it was judged against, on the same images."""
    found = await queries.version(session, project, version)
    chosen: str = part or next(iter(found.scores or {}), "field")
    row = await queries.evaluation(session, found, chosen)
    if found.made is None or found.made.champion is None or row.champion_key is None or row.outcomes_key is None:
        raise errors.NotFound(f"{version} was not compared with a champion on the same images.")
    champion, challenger = [
        documents.Outcome.read(await tools.outcomes.body(key)) for key in (row.champion_key, row.outcomes_key)
    ]
    shown = comparison.compare(champion, challenger)
    return page_context.page(
        request, "compare.html", project=project, version=found, tab="compare", part=chosen,
        compared=shown, champion=f"v{found.made.champion}", changed=shown.changed[:MOST],
    )  # fmt: skip


@pages.get("/projects/{project}/training")
async def training(project: str, request: Request, runtime: page_context.Runtime) -> Response:
    """Show what asks for the next training, and the settings of triggers and gate."""
    async with runtime.sessions() as session:
        await queries.require_project(session, project)
    return await _training(request, runtime, project)


@pages.post("/projects/{project}/training")
async def change(project: str, request: Request, runtime: page_context.Runtime) -> Response:
    """Change settings of triggers and gate: those whose value differs."""
    async with runtime.sessions() as session:
        await queries.require_project(session, project)
    form = await forms.texts(request)
    try:
        trainer = ControlApi(runtime, services.TRAINER, request.state.me.name, project)
        settings = await trainer.get(control.ProjectSettings, "settings")
        if changes := forms.changes(settings.version, settings.values, form):
            await trainer.send("PATCH", control.PolicyChanges(values=changes), "settings")
    except errors.Refused as error:
        return await _training(request, runtime, project, str(error))
    return RedirectResponse(f"/console/projects/{project}/training", 303, shell.SAFE)


async def _training(request: Request, runtime: page_context.Runtime, project: str, trouble: str = "") -> Response:
    trainer = ControlApi(runtime, services.TRAINER, request.state.me.name, project)
    triggers = settings = None
    try:
        triggers = await trainer.get(control.Triggers, "triggers")
        settings = await trainer.get(control.ProjectSettings, "settings")
    except errors.Refused as error:
        trouble = trouble or str(error)
    return page_context.page(
        request, "training.html", 409 if trouble else 200, project=project, trouble=trouble,
        triggers=triggers, settings=settings,
    )  # fmt: skip
