"""Try a model on an image, and the commands that do the same from a terminal."""

import base64
from typing import Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import UploadFile

from console import page_context, picture_cache, queries, rules, terminal
from strop_contracts import errors
from strop_image import sandbox
from strop_web import shell

pages = page_context.router()

LARGEST_UPLOAD = 25 * 2**20


@pages.get("/projects/{project}/try")
async def choose(project: str, session: page_context.Session) -> Response:
    """Redirect to the page that tries a running version, else the latest hosted one, else to the versions."""
    await queries.require_project(session, project)
    name = await queries.triable(session, project)
    return RedirectResponse(
        f"/console/projects/{project}{f'/versions/{name}/try' if name else '/models'}", 303, shell.SAFE
    )


@pages.get("/projects/{project}/versions/{version}/try")
async def try_it(project: str, version: str, request: Request, session: page_context.Session) -> Response:
    """The page to upload an image."""
    found = await queries.version(session, project, version)
    return page_context.page(request, "try.html", project=project, version=found, tab="try")


@pages.post("/projects/{project}/versions/{version}/try")
async def ask(
    project: str, version: str, request: Request, tools: page_context.With, runtime: page_context.Runtime
) -> Response:
    """The model's answer to an image."""
    async with runtime.sessions() as session:
        found = await queries.version(session, project, version)
        part = next(iter(found.scores or {}), None)
        scores = rules.scores((await queries.evaluation(session, found, part)).metrics) if part else None
    shown: dict[str, Any] = {"project": project, "version": found, "tab": "try"}
    try:
        name, body = await _image(request)
        prepared = await sandbox.shared().run(picture_cache.prepare, body)
        arn = await tools.rekognition.version_arn(project, version)
        answers = await tools.rekognition.detect(arn, prepared.body)
        everything = await tools.rekognition.detect(arn, prepared.body, MinConfidence=0)
    except (errors.Refused, errors.NotFound) as error:
        return page_context.page(request, "try.html", 409, trouble=str(error), **shown)
    verdict = rules.verdict(answers, everything, rules.thresholds(scores))
    preview = base64.b64encode(await sandbox.shared().run(picture_cache.small, prepared.body)).decode()
    return page_context.page(
        request, "try.html", verdict=verdict, preview=preview, file=name, changed=prepared.changed, **shown
    )


async def _image(request: Request) -> tuple[str, bytes]:
    """The uploaded file and its name. Refused when there is none, or it is far too large."""
    if int(request.headers.get("content-length", 0) or LARGEST_UPLOAD + 1) > LARGEST_UPLOAD:
        raise errors.Refused("This file is too large: choose an image of at most 25 MB.")
    async with request.form(max_files=1, max_fields=1) as form:
        upload = form.get("image")
        if not isinstance(upload, UploadFile) or not upload.size:
            raise errors.Refused("Choose an image first.")
        return upload.filename or "", await upload.read()


@pages.get("/projects/{project}/versions/{version}/commands")
async def commands(
    project: str, version: str, request: Request, session: page_context.Session, tools: page_context.With
) -> Response:
    """The same from a terminal: start, detect, stop."""
    found = await queries.version(session, project, version)
    shown: dict[str, Any] = {"project": project, "version": found, "tab": "commands"}
    try:
        arn = await tools.rekognition.version_arn(project, version)
    except (errors.Refused, errors.NotFound) as error:
        return page_context.page(request, "commands.html", trouble=str(error), **shown)
    url = tools.settings.public_rekognition_url or tools.settings.rekognition_url
    return page_context.page(request, "commands.html", arn=arn, commands=terminal.commands(arn, str(url)), **shown)
