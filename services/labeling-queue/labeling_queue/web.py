"""The pages: labeling, which calls the API, and the dead letters of all services."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import AwareDatetime

from labeling_queue import api, control, queries, rules
from strop import deadletters
from strop_web import frame, home, shell

HERE = Path(__file__).parent

LETTERS = 100
"""Dead letters on a page, each with its message."""

pages = frame.router()
open_to_all = APIRouter(include_in_schema=False)
templates = shell.templates(HERE / "templates")
templates.env.filters["pretty"] = deadletters.pretty
static = StaticFiles(directory=HERE / "static")


@pages.get("/label/{project}")
async def label(project: str, request: Request, session: frame.Session) -> Response:
    """The page to label a project's images."""
    await queries.require_project(session, project)
    return shell.page(request, "label.html", source=templates, project=project, lease=rules.LEASE.total_seconds())


@pages.get("/dead-letters")
async def dead_letters(request: Request, session: frame.Session, service: str | None = None) -> Response:
    """The dead letters of all services, or of one."""
    shown = await deadletters.list_open(session, service, LETTERS)
    counts = await deadletters.count_open(session)
    return shell.page(request, "dead_letters.html", source=templates, letters=shown, counts=counts, service=service)


@pages.post("/dead-letters/{letter}/{decision}")
async def decide(
    letter: UUID | Literal["selected", "all"],
    decision: Literal["retry", "drop"],
    session: frame.Session,
    selected: Annotated[list[UUID], Form(default_factory=list)],
    until: Annotated[AwareDatetime | None, Form()] = None,
    service: str | None = None,
) -> Response:
    """Retry or drop one letter, several, or all that were open when the page was rendered (`until`).

    Letters that another request has closed meanwhile do not change.
    """
    act = deadletters.retry if decision == "retry" else deadletters.drop
    chosen = [letter] if isinstance(letter, UUID) else selected
    await act(session, None if letter == "all" else chosen, service, until)
    return RedirectResponse(
        f"/dead-letters?{urlencode({'service': service})}" if service else "/dead-letters", 303, shell.SAFE
    )


@open_to_all.get("/label/static/{path:path}")
async def files(path: str, request: Request) -> Response:
    """Scripts and styles of these pages."""
    return await shell.file(static, path, request)


router = APIRouter()
for part in (open_to_all, pages, home.router, api.router, control.router):
    router.include_router(part)
