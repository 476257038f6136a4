"""The model versions of a project, and the buttons that train, start and stop."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from console import page_context, queries
from strop_contracts import errors
from strop_web import shell

pages = page_context.router()

MOST_UNITS = 16


@pages.get("/projects/{project}/models")
async def models(
    project: str, request: Request, session: page_context.Session, page: Annotated[int, Query(ge=1)] = 1
) -> Response:
    """The versions of a project, with their buttons."""
    return await _models(request, session, project, page=page)


async def _models(
    request: Request, session: page_context.Session, project: str, trouble: str = "", page: int = 1
) -> Response:
    await queries.require_project(session, project)
    shown = {
        "versions": await queries.versions(session, project, page),
        "runs": await queries.unfinished_runs(session, project),
        "sets": await queries.hosted_sets(session, project),
        "suggested": f"{project}.{datetime.now(UTC):%Y-%m-%dT%H.%M.%S}",
    }
    return page_context.page(request, "models.html", 409 if trouble else 200, project=project, trouble=trouble, **shown)


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
        return await _models(request, session, project, str(error))
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
        return await _models(request, session, project, f"{version} was not started. {error}")
    return _back(project)


@pages.post("/projects/{project}/versions/{version}/stop")
async def stop(
    project: str, version: str, request: Request, session: page_context.Session, tools: page_context.With
) -> Response:
    try:
        await tools.rekognition.stop(await tools.rekognition.version_arn(project, version))
    except (errors.Refused, errors.NotFound) as error:
        return await _models(request, session, project, f"{version} was not stopped. {error}")
    return _back(project)


def _back(project: str) -> Response:
    return RedirectResponse(f"/console/projects/{project}/models", 303, shell.SAFE)
