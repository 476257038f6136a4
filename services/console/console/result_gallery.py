"""A gallery of test results: which images a version got right and wrong, label by label."""

from typing import Any, Literal

from fastapi import Request, Response

from console import evaluation_outcomes, page_context, queries
from console.evaluation_page import PartName

pages = page_context.router()

PAGE = 60


@pages.get("/projects/{project}/versions/{version}/results")
async def results(
    project: str,
    version: str,
    request: Request,
    session: page_context.Session,
    tools: page_context.With,
    part: PartName | None = None,
    label: str = "",
    kind: Literal["", "tp", "fp", "fn"] = "",
    true: str = "",
    predicted: str = "",
    page: int = 1,
) -> Response:
    """Images that fit the filters, mistakes first."""
    found = await queries.version(session, project, version)
    shown: dict[str, Any] = {"project": project, "version": found, "tab": "results", "kinds": evaluation_outcomes.KINDS}
    chosen: str | None = part or next(iter(found.scores or {}), None)
    if chosen is None:
        return page_context.page(request, "no_evaluation.html", **shown)
    row = await queries.evaluation(session, found, chosen)
    everything = await tools.outcomes.get(row.outcomes_key) if row.outcomes_key else []
    wanted = evaluation_outcomes.Wanted(label, kind, true, predicted)
    fitting = evaluation_outcomes.order(one for one in everything if wanted.fits(one))
    pages_ = max(1, -(-len(fitting) // PAGE))
    page = min(max(1, page), pages_)
    return page_context.page(
        request,
        "results.html",
        part=chosen,
        wanted=wanted,
        total=len(fitting),
        pictures=fitting[PAGE * (page - 1) : PAGE * page],
        page=page,
        pages=pages_,
        tally=evaluation_outcomes.tally(everything, label),
        labels=sorted({one.label for one in everything} | {one.predicted for one in everything}, key=str.lower),
        mistakes=evaluation_outcomes.mistakes(everything),
        **shown,
    )
