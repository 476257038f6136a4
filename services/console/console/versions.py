"""The model versions of a project, and the buttons that train, start and stop."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from console import gallery, page_context, queries
from strop_contracts import errors
from strop_web import shell

pages = page_context.router()

MOST_UNITS = 16


@pages.get("/projects/{project}")
async def project(project: str, request: Request, session: page_context.Session) -> Response:
    """The versions of a project, with their buttons."""
    return await _project(request, session, project)


async def _project(request: Request, session: page_context.Session, project: str, trouble: str = "") -> Response:
    await queries.require_project(session, project)
    shown = {
        "versions": await queries.versions(session, project),
        "runs": await queries.unfinished_runs(session, project),
        "parts": await gallery.parts(session, project),
        "suggested": f"{project}.{datetime.now(UTC):%Y-%m-%dT%H.%M.%S}",
    }
    return page_context.page(
        request, "project.html", 409 if trouble else 200, project=project, trouble=trouble, **shown
    )


@pages.post("/projects/{project}/train")
async def train(
    project: str,
    request: Request,
    session: page_context.Session,
    runtime: page_context.Runtime,
    tools: page_context.With,
    version: Annotated[str, Form()],
) -> Response:
    """Train a version from the project's data sets. Its evaluation files go into our own bucket."""
    try:
        await tools.rekognition.train(project, version.strip(), runtime.settings.bucket, f"{project}/output")
    except (errors.Refused, errors.NotFound) as error:
        return await _project(request, session, project, str(error))
    return _back(project)


@pages.post("/projects/{project}/versions/{version}/start")
async def start(
    project: str,
    version: str,
    request: Request,
    session: page_context.Session,
    tools: page_context.With,
    units: Annotated[int, Form(ge=1, le=MOST_UNITS)] = 1,
    most: Annotated[int, Form(ge=1, le=MOST_UNITS)] = 1,
) -> Response:
    try:
        await tools.rekognition.start(await tools.rekognition.version_arn(project, version), units, most)
    except (errors.Refused, errors.NotFound) as error:
        return await _project(request, session, project, f"{version} was not started. {error}")
    return _back(project)


@pages.post("/projects/{project}/versions/{version}/stop")
async def stop(
    project: str, version: str, request: Request, session: page_context.Session, tools: page_context.With
) -> Response:
    try:
        await tools.rekognition.stop(await tools.rekognition.version_arn(project, version))
    except (errors.Refused, errors.NotFound) as error:
        return await _project(request, session, project, f"{version} was not stopped. {error}")
    return _back(project)


def _back(project: str) -> Response:
    return RedirectResponse(f"/console/projects/{project}", 303, shell.SAFE)
