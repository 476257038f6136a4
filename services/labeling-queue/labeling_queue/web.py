"""The pages: the projects, dead letters, and labeling itself (which then talks to the API)."""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from pydantic import AwareDatetime

from labeling_queue import api, control, progress, queries, rules
from labeling_queue.api import Session
from strop import deadletters
from strop_contracts import errors
from strop_web import auth, shell, signin

HERE = Path(__file__).parent

LETTERS = 100
"""Dead letters on a page, each with its message."""

pages = APIRouter(include_in_schema=False)
templates = Jinja2Templates([HERE / "templates", shell.TEMPLATES])
templates.env.filters["pretty"] = deadletters.pretty
static = shell.static(HERE / "static")


async def _visitor(request: Request, session: Session) -> auth.Person | None:
    return await auth.find(session, request)


Visitor = Annotated[auth.Person | None, Depends(_visitor)]


@pages.get("/")
async def projects(
    request: Request, visitor: Visitor, session: Session, since: AwareDatetime | None = None
) -> Response:
    if visitor is None:
        return _signed_out(request)
    found = await progress.overviews(session, since or api.today())
    return _page(request, "projects.html", me=visitor, projects=found)


@pages.get("/label/{project}")
async def label(project: str, request: Request, visitor: Visitor, session: Session) -> Response:
    if visitor is None:
        return _signed_out(request)
    try:
        await queries.require_project(session, project)
    except errors.NotFound as error:
        return _page(request, "missing.html", 404, me=visitor, what=str(error))
    return _page(request, "label.html", me=visitor, project=project, lease=rules.LEASE.total_seconds())


@pages.get("/dead-letters")
async def dead_letters(request: Request, visitor: Visitor, session: Session, service: str | None = None) -> Response:
    """All services' letters: the page is here because people sign in here."""
    if visitor is None:
        return _signed_out(request)
    shown = await deadletters.list_open(session, service, LETTERS)
    counts = await deadletters.count_open(session)
    return _page(request, "dead_letters.html", me=visitor, letters=shown, counts=counts, service=service)


@pages.post("/dead-letters/{letter}/{decision}")
async def decide(
    letter: UUID | Literal["selected", "all"],
    decision: Literal["retry", "drop"],
    request: Request,
    visitor: Visitor,
    session: Session,
    selected: Annotated[list[UUID], Form(default_factory=list)],
    until: Annotated[AwareDatetime | None, Form()] = None,
    service: str | None = None,
) -> Response:
    """Retry or drop one letter, several, or all that were open when the page was made (`until`).

    What somebody else decided meanwhile stays as it is.
    """
    if visitor is None:
        return _signed_out(request)
    if not auth.same_origin(request.headers):
        return _page(request, "missing.html", 403, me=visitor, what="This request came from another site.")
    act = deadletters.retry if decision == "retry" else deadletters.drop
    chosen = [letter] if isinstance(letter, UUID) else selected
    await act(session, None if letter == "all" else chosen, service, until)
    return RedirectResponse(
        f"/dead-letters?{urlencode({'service': service})}" if service else "/dead-letters", 303, shell.SAFE
    )


@pages.get("/static/{path:path}")
async def files(path: str, request: Request) -> Response:
    """Scripts and styles."""
    return await shell.file(static, path, request)


def _signed_out(request: Request) -> Response:
    return _page(request, "sign_in.html", 401)


def _page(request: Request, name: str, status: int = 200, **values: Any) -> Response:
    return templates.TemplateResponse(
        request, name, {"me": None, "places": shell.places(request), **values}, status, shell.SAFE
    )


router = APIRouter()
router.include_router(pages)
router.include_router(signin.SignIn("/", _page).router())
router.include_router(api.router)
router.include_router(control.router)
