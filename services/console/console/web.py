"""All addresses of the console, below /console, and those of the home page."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

from console import (
    control,
    dataset_images,
    decisions,
    evaluation_page,
    fleet_page,
    imports,
    overview_page,
    page_context,
    quality_page,
    queries,
    result_gallery,
    rollouts_page,
    trace_page,
    try_model,
    versions,
)
from strop_contracts import keys
from strop_web import home, shell

open_to_all = APIRouter(prefix="/console", include_in_schema=False)
pages = page_context.router()
static = StaticFiles(directory=page_context.HERE / "static")


@open_to_all.get("")
async def console() -> Response:
    """Redirect to the home page, which lists the projects."""
    return RedirectResponse("/", 303, shell.SAFE)


@open_to_all.get("/static/{path:path}")
async def console_files(path: str, request: Request) -> Response:
    """Scripts and styles."""
    return await shell.file(static, path, request)


@pages.get("/images/{project}/{sha256}")
async def image(project: str, sha256: str, runtime: page_context.Runtime) -> Response:
    """An image as it was stored."""
    async with runtime.sessions() as session:
        kind = await queries.content_type(session, project, sha256)
    body = await runtime.storage.get(keys.image(project, sha256))
    return Response(body, media_type=kind, headers=shell.FOREVER)


@pages.get("/thumbnails/{project}/{sha256}")
async def thumbnail(project: str, sha256: str, runtime: page_context.Runtime, tools: page_context.With) -> Response:
    """The same, small."""
    async with runtime.sessions() as session:
        await queries.content_type(session, project, sha256)
    body = await tools.pictures.thumbnail(project, sha256)
    return Response(body, media_type="image/jpeg", headers=shell.FOREVER)


router = APIRouter()
router.include_router(open_to_all)
router.include_router(home.router)
router.include_router(control.router)
for part in (
    pages,
    overview_page.pages,
    fleet_page.pages,
    rollouts_page.pages,
    quality_page.pages,
    trace_page.pages,
    versions.pages,
    dataset_images.pages,
    evaluation_page.pages,
    decisions.pages,
    result_gallery.pages,
    try_model.pages,
    imports.pages,
):
    router.include_router(part)
