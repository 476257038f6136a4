"""What every page of the console works with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from console import rules
from console.evaluation_outcomes import Files
from console.picture_cache import Pictures
from console.recent import Recent
from console.rekognition import Rekognition
from console.settings import Settings
from strop_web import frame, shell

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Tools:
    """What the pages work with, beside database and bucket; one per process."""

    settings: Settings
    rekognition: Rekognition
    pictures: Pictures
    outcomes: Files
    recent: Recent  # reports and counts of projects


def lend(tools: Tools, pages: APIRouter) -> APIRouter:
    """Return the pages, with these tools in the state of each request."""

    def give(request: Request) -> None:
        request.state.tools = tools

    router = APIRouter(dependencies=[Depends(give)])
    router.include_router(pages)
    return router


def tools(request: Request) -> Tools:
    """Return the tools of a request."""
    lent: Tools = request.state.tools
    return lent


With = Annotated[Tools, Depends(tools)]
Runtime = frame.Runtime
Session = frame.Session

templates = shell.templates(HERE / "templates")
templates.env.globals["rules"] = rules
templates.env.filters |= {
    "percent": rules.percent,
    "score": rules.score,
    "plural": rules.plural,
    "count": rules.count,
}


def page(request: Request, name: str, status: int = 200, **values: Any) -> Response:
    """Render one of the console's templates."""
    return shell.page(request, name, status, templates, **values)


def router() -> APIRouter:
    """Return a router below /console for pages that require a sign-in."""
    return frame.router("/console")
