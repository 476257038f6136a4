"""What the models of a project get right in the field: over time, by label and group; audits, their plan, and drift."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from console import charts, forms, page_context, quality_queries, queries
from console.control_api import ControlApi
from strop_contracts import control, errors, services
from strop_contracts import control_quality as documents
from strop_web import shell

pages = page_context.router()


@dataclass(frozen=True)
class Shown:
    """The estimates of one model, as the page arranges them."""

    model: str
    accuracy: documents.Estimate | None = None
    labels: dict[str, dict[str, documents.Estimate]] = field(default_factory=dict)  # by label, then by measure
    groups: list[documents.Estimate] = field(default_factory=list)


def arrange(estimates: Sequence[documents.Estimate]) -> list[Shown]:
    """Return the estimates by model, that with the most images first."""
    found: dict[str, Shown] = {}
    for each in estimates:
        shown = found.setdefault(each.model, Shown(each.model))
        if each.device_group:
            shown.groups.append(each)
        elif each.label:
            shown.labels.setdefault(each.label, {})[each.measure] = each
        elif each.measure == "accuracy":
            found[each.model] = Shown(each.model, each, shown.labels, shown.groups)
    return sorted(found.values(), key=lambda one: -(one.accuracy.images if one.accuracy else 0))


def chart(history: Sequence[documents.Point]) -> charts.Chart | None:
    """Return the accuracy of each model over time; None without a point."""
    lines: dict[str, list[charts.Point]] = {}
    for each in history:
        lines.setdefault(each.model, []).append(charts.Point(each.at, each.value, each.low, each.high))
    return charts.chart(list(lines.items()))


@pages.get("/projects/{project}/quality")
async def quality(project: str, request: Request, runtime: page_context.Runtime, model: str | None = None) -> Response:
    """Show the newest report; labels and groups of one model, by default of that with the most images."""
    return await _page(request, runtime, project, model)


@pages.post("/projects/{project}/quality")
async def change(project: str, request: Request, runtime: page_context.Runtime) -> Response:
    """Change the wished precision, a part of the project's policy."""
    router, form = _router(request, runtime, project), await forms.texts(request)
    try:
        policy = await router.get(control.Policy, "policy")
        if changes := forms.changes(policy.version, policy.values, form):
            await router.send("PATCH", control.PolicyChanges(values=changes), "policy")
    except errors.Refused as error:
        return await _page(request, runtime, project, trouble=str(error))
    return RedirectResponse(f"/console/projects/{project}/quality", 303, shell.SAFE)


def _router(request: Request, runtime: page_context.Runtime, project: str) -> ControlApi:
    return ControlApi(runtime, services.ROUTER, request.state.me.name, project)


async def _page(
    request: Request, runtime: page_context.Runtime, project: str, model: str | None = None, trouble: str = ""
) -> Response:
    async with runtime.sessions() as session:  # none is held while the router answers
        await queries.require_project(session, project)
        report = await quality_queries.report(session, project)
    router, status = _router(request, runtime, project), 409 if trouble else 200
    wish = None
    try:
        policy = await router.get(control.Policy, "policy")
        wish = policy.model_copy(update={"values": [each for each in policy.values if each.name.startswith("quality")]})
    except errors.Refused as error:
        trouble = trouble or str(error)
    models = arrange(report.estimates) if report else []
    chosen = next((each for each in models if each.model == model), next(iter(models), None))
    return page_context.page(
        request, "quality.html", status, project=project, trouble=trouble, report=report, wish=wish,
        models=models, chosen=chosen, chart=chart(report.history) if report else None,
    )  # fmt: skip
