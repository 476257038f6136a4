"""What every page of the console needs: who asks, what it works with, and plain words when something is wrong."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.templating import Jinja2Templates
from sqlalchemy.ext.asyncio import AsyncSession

from console import rules
from console.outcomes import Files
from console.pictures import Pictures
from console.rekognition import Rekognition
from console.settings import Settings
from strop import app
from strop_contracts import errors
from strop_web import auth, shell

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Tools:
    """What the pages work with, beside database and bucket; made once per process."""

    settings: Settings
    rekognition: Rekognition
    pictures: Pictures
    outcomes: Files


def lend(tools: Tools, pages: APIRouter) -> APIRouter:
    """The pages, with these tools at hand in each request."""

    def give(request: Request) -> None:
        request.state.tools = tools

    router = APIRouter(dependencies=[Depends(give)])
    router.include_router(pages)
    return router


class SignedOut(Exception):
    """Nobody we know asks."""


class Elsewhere(Exception):
    """Another site's page asks for a change in a person's name."""


class PageRoute(APIRoute):
    """A route whose errors are pages too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return _explained(super().get_route_handler())


def _explained(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except SignedOut:
            return page(request, "sign_in.html", 401)
        except Elsewhere:
            return page(request, "trouble.html", 403, what="This request came from another site.")
        except errors.NotFound as error:
            return page(request, "trouble.html", 404, title="Not found", what=str(error))
        except errors.Refused as error:
            return page(request, "trouble.html", 409, what=str(error))
        except RequestValidationError as error:
            return page(request, "trouble.html", 422, what=rules.say(error.errors()))

    return answer


def runtime(request: Request) -> app.Runtime:
    opened: app.Runtime = request.state.runtime
    return opened


def tools(request: Request) -> Tools:
    lent: Tools = request.state.tools
    return lent


async def _session(opened: Annotated[app.Runtime, Depends(runtime)]) -> AsyncIterator[AsyncSession]:
    async with opened.sessions() as session:
        yield session


async def admit(request: Request) -> None:
    """Let in who signed in; SignedOut, or Elsewhere when another site's page sends a form in their name."""
    async with runtime(request).sessions() as session:
        request.state.me = await auth.find(session, request)
    if request.state.me is None:
        raise SignedOut
    if request.method != "GET" and not auth.same_origin(request.headers):
        raise Elsewhere


Runtime = Annotated[app.Runtime, Depends(runtime)]
With = Annotated[Tools, Depends(tools)]
Session = Annotated[AsyncSession, Depends(_session, scope="function")]
"""For reading: the console writes nothing but sign-ins."""


def _common(request: Request) -> dict[str, Any]:
    return {"me": getattr(request.state, "me", None), "places": shell.places(request)}


templates = Jinja2Templates([HERE / "templates", shell.TEMPLATES], context_processors=[_common])
templates.env.globals["rules"] = rules
templates.env.filters |= {"percent": rules.percent, "score": rules.score, "plural": rules.plural}


def page(request: Request, name: str, status: int = 200, **values: Any) -> Response:
    return templates.TemplateResponse(request, name, values, status, shell.SAFE)


def router() -> APIRouter:
    """A router for pages that only people who signed in may see."""
    return APIRouter(prefix="/console", route_class=PageRoute, dependencies=[Depends(admit)], include_in_schema=False)
