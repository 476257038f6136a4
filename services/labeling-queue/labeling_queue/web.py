"""The pages: labeling, which calls the API, and the dead letters of all services."""

from collections.abc import Callable
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
REASONS = 20
"""Groups of letters on a page, by service and reason."""

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
async def dead_letters(
    request: Request, session: frame.Session, service: str | None = None, reason: str | None = None
) -> Response:
    """The dead letters of all services or of one, with any reason or with one."""
    shown = await deadletters.list_open(session, service, LETTERS, reason)
    counts, groups = await deadletters.count_open(session), await deadletters.groups(session, service, REASONS)
    of_reason = sum(each.letters for each in groups if each.reason == reason)
    total = of_reason if reason else counts.get(service, 0) if service else sum(counts.values())
    return shell.page(
        request, "dead_letters.html", source=templates, letters=shown, counts=counts, groups=groups, service=service,
        reason=reason, total=max(total, len(shown)), query=_query(request),
    )  # fmt: skip


@pages.post("/dead-letters/{letter}/{decision}")
async def decide(
    letter: UUID | Literal["selected", "all"],
    decision: Literal["retry", "drop"],
    request: Request,
    session: frame.Session,
    selected: Annotated[list[UUID], Form(default_factory=list)],
    until: Annotated[AwareDatetime | None, Form()] = None,
    service: str | None = None,
    reason: str | None = None,
) -> Response:
    """Retry or drop one letter, several, or all of the page's filter that were open when it was rendered (`until`).

    Letters that another request has closed meanwhile do not change.
    """
    act = deadletters.retry if decision == "retry" else deadletters.drop
    chosen = [letter] if isinstance(letter, UUID) else selected
    await act(session, None if letter == "all" else chosen, service, until, reason)
    without = {"reason": None} if letter == "all" else {}  # the group is empty now
    return RedirectResponse(f"/dead-letters{_query(request)(**without)}", 303, shell.SAFE)


def _query(request: Request) -> Callable[..., str]:
    """Return a function that makes the query of an address: that of the request with other values."""
    now = {name: request.query_params.get(name) for name in ("service", "reason", "project")}

    def query(**changes: str | None) -> str:
        return f"?{urlencode(given)}" if (given := {k: v for k, v in {**now, **changes}.items() if v}) else ""

    return query


@open_to_all.get("/label/static/{path:path}")
async def files(path: str, request: Request) -> Response:
    """Scripts and styles of these pages."""
    return await shell.file(static, path, request)


router = APIRouter()
for part in (open_to_all, pages, home.router, api.router, control.router):
    router.include_router(part)
