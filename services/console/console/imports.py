"""A folder in S3 becomes a data set: the first folder below it names the label."""

from typing import Annotated, Literal

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from console import autolabel, page_context
from strop_contracts import errors
from strop_web import shell

pages = page_context.router()


@pages.get("/import")
async def form(request: Request, project: Annotated[str, Query(max_length=255)] = "") -> Response:
    return page_context.page(request, "import.html", filled={"project": project, "kind": "TRAIN"})


@pages.post("/import")
async def import_(
    request: Request,
    runtime: page_context.Runtime,
    tools: page_context.With,
    project: Annotated[str, Form()],
    kind: Annotated[Literal["TRAIN", "TEST"], Form()],
    place: Annotated[str, Form()],
    names: Annotated[str, Form()] = "",
) -> Response:
    """Read the folder and hand it over; the data set's own page then shows how far it is."""
    try:
        where = autolabel.place(place.strip())
        called = autolabel.names(names.encode()) if names.strip() else {}
        bucket = runtime.storage.at(where.bucket)
        await tools.rekognition.import_folder(project.strip(), kind, bucket, where.prefix, called)
    except (errors.Refused, errors.NotFound) as error:
        filled = {"project": project, "kind": kind, "place": place, "names": names}
        return page_context.page(request, "import.html", 409, trouble=str(error), filled=filled)
    return RedirectResponse(f"/console/projects/{project.strip()}/data/{kind.lower()}", 303, shell.SAFE)
