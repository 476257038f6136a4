"""The devices of a project, filtered, sorted and paged by the database; and the page of one device."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from console import charts, device_queries, fleet, page_context, queries
from strop_contracts import control_fleet

pages = page_context.router()

PAGE = 50
"""Devices on a page."""

COLUMNS = (
    ("Device", control_fleet.Sort.NAME),
    ("Group", control_fleet.Sort.GROUP),
    ("Model", control_fleet.Sort.MODEL),
    ("Last report", control_fleet.Sort.SEEN),
    ("Spool", control_fleet.Sort.SPOOL),
    ("Lost", control_fleet.Sort.DROPPED),
    ("Errors", control_fleet.Sort.ERRORS),
)


@pages.get("/projects/{project}/fleet")
async def devices(
    project: str,
    request: Request,
    session: page_context.Session,
    tools: page_context.With,
    name: Annotated[str, Query(max_length=128)] = "",
    model: str | None = None,
    group: str | None = None,
    errors: bool = False,
    sort: control_fleet.Sort = control_fleet.Sort.NAME,
    descending: bool = False,
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
) -> Response:
    """One page of the devices that fit the filters."""
    await queries.require_project(session, project)
    wanted = control_fleet.Page(
        name=name.strip(), model=model, group=group, only_errors=errors, sort=sort, descending=descending,
        offset=PAGE * (page - 1), limit=PAGE,
    )  # fmt: skip
    found = await fleet.page(session, project, wanted)
    summary = await tools.recent.get(("fleet", project), lambda: fleet.summary(session, project))
    return page_context.page(
        request, "fleet.html", project=project, found=found, wanted=wanted, page=page, columns=COLUMNS,
        pages=max(1, -(-found.total // PAGE)), summary=summary, address=_address(wanted),
        mixes={each.name: charts.shares(each.labels) for each in found.devices},
    )  # fmt: skip


def _address(wanted: control_fleet.Page) -> Any:
    """Return a function that makes the query of an address: that of this page with other values."""
    now = {
        "name": wanted.name,
        "model": wanted.model,
        "group": wanted.group,
        "errors": wanted.only_errors,
        "sort": wanted.sort,
        "descending": wanted.descending,
    }

    def query(**changes: Any) -> str:
        return "?" + urlencode({key: value for key, value in {**now, **changes}.items() if value not in (None, False)})

    return query


@pages.get("/projects/{project}/fleet/{device}")
async def device(project: str, device: str, request: Request, session: page_context.Session) -> Response:
    """What one device reported, counted, installed, and its latest images."""
    await queries.require_project(session, project)
    found = await fleet.device(session, project, device)
    hours = await device_queries.hours(session, project, device)
    return page_context.page(
        request, "device.html", project=project, device=found, mix=charts.shares(found.labels), hours=hours,
        bars=charts.Bars.of([each.classified for each in hours]),
        installs=await device_queries.installs(session, project, device),
        captures=await device_queries.captures(session, project, device),
    )  # fmt: skip
