"""The overview of a project: the loop from the devices to the next model, at a glance."""

from typing import Any

from fastapi import Request, Response

from console import charts, overview_queries, page_context, quality_page, quality_queries, queries
from console.control_api import ControlApi
from strop_contracts import control, errors, services

pages = page_context.router()


@pages.get("/projects/{project}")
async def overview(project: str, request: Request, runtime: page_context.Runtime, tools: page_context.With) -> Response:
    """Show the state of each part of the loop; the page polls it."""
    async with runtime.sessions() as session:  # none is held while the trainer answers
        await queries.require_project(session, project)
        shown = await _read(session, tools, project)
    return page_context.page(
        request, "overview.html", project=project, **shown, **await _triggers(request, runtime, tools, project)
    )


async def _read(session: page_context.Session, tools: page_context.Tools, project: str) -> dict[str, Any]:
    champion = await overview_queries.champion(session, project)
    counts = await tools.recent.get(("counts", project), lambda: overview_queries.counts(session, project))
    series = {"captures": counts.flow.captures, "uploads": counts.flow.uploads, "labels": counts.labels.done}
    report = await quality_queries.report(session, project)
    accuracy = quality_page.arrange(report.estimates) if report else []
    return {
        "quality": report,
        "accuracy": next((each.accuracy for each in accuracy if each.accuracy), None),
        "chart": quality_page.chart(report.history) if report else None,
        "fleet": counts.fleet,
        "flow": counts.flow,
        "labels": counts.labels,
        "rollout": counts.rollout,
        "bars": {name: charts.Bars.of(each) for name, each in series.items()},
        "champion": champion,
        "newest": await overview_queries.newest_model(session, project),
        "scores": await queries.scores(session, project, [champion] if champion else []),
        "runs": await queries.unfinished_runs(session, project),
        "events": await overview_queries.events(session, project),
    }


async def _triggers(
    request: Request, runtime: page_context.Runtime, tools: page_context.Tools, project: str
) -> dict[str, Any]:
    """Return what the trainer reports of its triggers, and their progress that is nearest to a run; or why it does not."""
    trainer = ControlApi(runtime, services.TRAINER, request.state.me.name, project)
    try:
        triggers = await tools.recent.get(("triggers", project), lambda: trainer.get(control.Triggers, "triggers"))
    except errors.Refused as error:
        return {"triggers": None, "nearest": None, "untold": str(error)}
    return {
        "triggers": triggers,
        "nearest": next((each for each in triggers.progress if each.need), None),
        "untold": "",
    }
