"""What all pages share: templates, headers that protect browsers, the navigation, and static files."""

from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from strop_contracts import services, states
from strop_web import navigation, settings

SAFE = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
"""Headers of a response whose address contains the hash of its content."""

HERE = Path(__file__).parent


def base_url(request: Request, service: services.Service) -> str | None:
    """Return what to put before a path of this service: "" in the same process, else its public URL; None if unknown."""
    if service.name in request.app.state.services:
        return ""
    url: str | None = getattr(settings.Addresses(), f"{service.package}_url")
    if url and url.startswith(":"):
        url = str(request.url.replace(port=int(url[1:]), path="", query="", fragment=""))
    return url.rstrip("/") if url else None


def _context(request: Request) -> dict[str, Any]:
    """Values of every template: the caller, the roles to compare with, the base URLs of the services with pages, and the
    navigation of the project that the page is about, if it is about one.
    """
    me = getattr(request.state, "me", None)
    bases = {each.name: base_url(request, each) for each in (services.LABELING_QUEUE, services.CONSOLE)}
    project = request.path_params.get("project") or request.query_params.get("project")
    if getattr(request.state, "missing", False):
        project = None  # there may be no such project
    return {
        "me": me,
        "Role": states.Role,
        "labeling": bases[services.LABELING_QUEUE.name],
        "console": bases[services.CONSOLE.name],
        "about": project,
        "sections": navigation.sections(me, project, request.url.path, bases) if me and project else [],
    }


def templates(folder: Path) -> Jinja2Templates:
    """Return the templates of a folder, which extend the shared `base.html`."""
    return Jinja2Templates([folder, HERE / "templates"], context_processors=[_context])


_SHARED = templates(HERE / "templates")


def page(request: Request, name: str, status: int = 200, source: Jinja2Templates = _SHARED, **values: Any) -> Response:
    """Render a page from a template of `source`."""
    return source.TemplateResponse(request, name, values, status, SAFE)


def trouble(request: Request, status: int, message: str) -> Response:
    """Render the page of an error."""
    request.state.missing = status == 404
    title = {403: "Not allowed", 404: "Not found", 500: "Internal error"}.get(status, "The request failed")
    return page(request, "trouble.html", status, title=title, message=message)


async def file(files: StaticFiles, path: str, request: Request) -> Response:
    """Return a script or style sheet, which browsers revalidate at each use."""
    answer = await files.get_response(path, request.scope)
    answer.headers["Cache-Control"] = "no-cache"
    return answer
