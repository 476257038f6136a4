"""How good a version is: the figures, the labels from the worst on, and the pictures."""

import asyncio
from typing import Any, Literal

from fastapi import Request, Response

from console import page_context, plots, queries, rules
from strop_contracts import errors

pages = page_context.router()

PartName = Literal["field", "base"]
PICTURE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=3600",
}


@pages.get("/projects/{project}/versions/{version}")
async def evaluation(
    project: str, version: str, request: Request, session: page_context.Session, part: PartName | None = None
) -> Response:
    """The evaluation of a version on one part of its test images."""
    return await render(request, session, project, version, part)


async def render(
    request: Request,
    session: page_context.Session,
    project: str,
    version: str,
    part: PartName | None = None,
    trouble: str = "",
) -> Response:
    """Render the page; `trouble` is why a decision on it failed."""
    found = await queries.version(session, project, version)
    scores = found.scores or {}
    shown: dict[str, Any] = {"project": project, "version": found, "tab": "evaluation", "trouble": trouble}
    status = 409 if trouble else 200
    chosen: str | None = part or next(iter(scores), None)
    if chosen is None:
        return page_context.page(request, "no_evaluation.html", status, **shown)
    if chosen not in scores:
        raise errors.NotFound(f"{version} was not evaluated on {rules.PART_NAMES[chosen]}.")
    row = await queries.evaluation(session, found, chosen)
    mixups = rules.mixups(row.metrics.confusion)
    size = len(row.metrics.confusion.labels)
    shown |= {"part": chosen, "scores": rules.scores(row.metrics), "mixups": mixups, "size": size}
    return page_context.page(request, "evaluation.html", status, skipped=row.metrics.skipped, **shown)


@pages.get("/projects/{project}/versions/{version}/{part}/{picture}.svg")
async def picture(
    project: str,
    version: str,
    part: PartName,
    picture: Literal["confusion", "calibration"],
    session: page_context.Session,
    tools: page_context.With,
    theme: plots.Theme = "light",
) -> Response:
    """A plot of the evaluation. It is drawn once: an evaluation never changes."""
    row = await queries.evaluation(session, await queries.version(session, project, version), part)
    metrics = row.metrics
    draw = plots.confusion(metrics.confusion) if picture == "confusion" else plots.calibration(metrics.calibration.bins)

    async def make() -> bytes:
        return await asyncio.to_thread(plots.svg, draw, theme)

    key = (picture, project, row.model_version, part, theme, row.at)
    return Response(await tools.pictures.kept(key, make), media_type="image/svg+xml", headers=PICTURE)
