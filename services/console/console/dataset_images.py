"""The images of a project, by data set: a gallery with labels, a search, and what is wrong with which entry."""

from typing import Annotated, Any

from fastapi import Query, Request, Response

from console import gallery, page_context, queries
from strop_contracts import errors

pages = page_context.router()


@pages.get("/projects/{project}/data")
@pages.get("/projects/{project}/data/{part}")
async def data(
    project: str,
    request: Request,
    session: page_context.Session,
    part: str | None = None,
    label: str | None = None,
    q: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1)] = 1,
) -> Response:
    """One data set of a project; the first one when none is named."""
    await queries.require_project(session, project)
    parts = await gallery.parts(session, project)
    chosen = next((one for one in parts if one.key == part), None) if part else next(iter(parts), None)
    if part and not chosen:
        raise errors.NotFound(f"{project} has no images in this data set.")
    common: dict[str, Any] = {"project": project, "parts": parts, "part": chosen}
    common["waiting"] = await queries.open_tasks(session, project)
    if chosen is None:
        return page_context.page(request, "no_data.html", **common)
    wanted = gallery.Wanted(label, q.strip(), page)
    found = await gallery.find(session, chosen, wanted)
    labels = await gallery.labels(session, chosen)
    return page_context.page(request, "data.html", found=found, labels=labels, wanted=wanted, **common)
