"""What all pages share: headers that keep browsers safe, the links between services, and the look (`static/`)."""

from contextlib import suppress
from pathlib import Path

from fastapi import Request, Response
from fastapi.staticfiles import StaticFiles
from starlette.routing import NoMatchFound

SAFE = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
TEMPLATES = Path(__file__).parent / "templates"
"""Pages that every service with people has; they extend its own base.html."""

FOREVER = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
"""Of what is named by its content."""

PLACES = {"Label": "projects", "Models": "console", "Dead letters": "dead_letters"}
"""Where people go: the names of the routes, whichever service has them."""


def places(request: Request) -> list[tuple[str, str]]:
    """Title and path of those that this port has: services share one, or have one each."""
    found = []
    for title, route in PLACES.items():
        with suppress(NoMatchFound):
            found.append((title, str(request.app.url_path_for(route))))
    return found


def static(folder: Path) -> StaticFiles:
    """A service's own scripts and styles, over those of everybody."""
    return StaticFiles(directory=folder, packages=[("strop_web", "static")])


async def file(files: StaticFiles, path: str, request: Request) -> Response:
    """A script or style; browsers ask each time whether it changed."""
    answer = await files.get_response(path, request.scope)
    answer.headers["Cache-Control"] = "no-cache"
    return answer
