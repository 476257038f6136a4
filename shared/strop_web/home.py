"""The home page with the state of every project, and what else every service with pages has: sign-in and static files."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.staticfiles import StaticFiles
from pydantic import AwareDatetime

from strop_contracts.states import Role
from strop_web import frame, overview, shell, signin

_pages = frame.router()
_open = APIRouter(include_in_schema=False)
_static = StaticFiles(directory=shell.HERE / "static")


@_pages.get("/")
async def home(request: Request, session: frame.Session, me: frame.Me, since: AwareDatetime | None = None) -> Response:
    """The projects in which the caller has a role; answers count from `since` on, by default from midnight UTC."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    every = await overview.projects(session, since or midnight)
    return shell.page(request, "home.html", projects=[each for each in every if me.may(Role.LABELER, each.name)])


@_open.get("/static/{path:path}")
async def files(path: str, request: Request) -> Response:
    """Scripts and styles of all pages."""
    return await shell.file(_static, path, request)


router = APIRouter()
for part in (_pages, _open, signin.router):
    router.include_router(part)
