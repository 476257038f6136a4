"""The page of one capture: its journey from the device to the models that learned from it."""

from uuid import UUID

from fastapi import Request, Response

from console import page_context, trace

pages = page_context.router()


@pages.get("/projects/{project}/captures/{capture}")
async def capture(project: str, capture: UUID, request: Request, runtime: page_context.Runtime) -> Response:
    """Show what became of a capture."""
    found = await trace.trace(runtime, project, capture)
    return page_context.page(request, "capture.html", project=project, trace=found)
