"""The devices of a project on the command line."""

import io
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from rich.console import Console

from strop_cli import access, api, fleet
from strop_contracts import control_fleet as documents

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def device(name: str, **changes: object) -> documents.Device:
    plain = {"group": "", "model": "v3", "agent": "1", "seen_at": NOW, "spool_items": 0, "spool_bytes": 0}
    return documents.Device.model_validate(
        {**plain, "name": name, "dropped": {}, "errors": [], "labels": {}, **changes}
    )


def answering(devices: list[documents.Device], asked: list[dict[str, str]]) -> api.Api:
    """Return a client of a project with these devices, which notes the queries of its requests."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/control/console/projects/cans/fleet"
        query = dict(request.url.params)
        asked.append(query)
        start = int(query["offset"])
        page = documents.Fleet(total=len(devices), devices=devices[start : start + int(query["limit"])])
        return httpx.Response(200, text=page.model_dump_json())

    return api.Api(access.Access("http://strop", "token"), httpx.MockTransport(answer))


@pytest.mark.parametrize(("limit", "sizes"), [(2, ["2"]), (5, ["3", "2"]), (100, ["3", "3", "3"])])
def test_pages_are_requested_up_to_the_limit(monkeypatch: pytest.MonkeyPatch, limit: int, sizes: list[str]) -> None:
    monkeypatch.setattr(fleet, "PAGE", 3)
    devices, asked = [device(f"line-{number}") for number in range(8)], list[dict[str, str]]()

    total, found = fleet.pages(answering(devices, asked), "cans", documents.Page(group="paris"), limit)

    assert (total, found) == (8, devices[:limit])
    assert [query["limit"] for query in asked] == sizes
    assert {(query["group"], query["sort"]) for query in asked} == {("paris", "name")}


def test_a_row_shows_what_the_device_reported() -> None:
    shown = device(
        "line-1",
        group="paris",
        seen_at=NOW - timedelta(minutes=90),
        spool_items=1200,
        spool_bytes=3_400_000,
        dropped={"full": 7},
        errors=["disk full", "[broker] lost"],
        classified=4000,
        labels={"can": 3000, "jar": 600, "cup": 300, "box": 60, "lid": 40},
    )

    console = Console(width=250, record=True, file=io.StringIO())
    console.print(fleet.table([shown], 9, NOW))
    text = console.export_text()

    for part in ("line-1", "paris", "v3", "1 h ago", "1,200 (3.4 MB)", "7 full", "4,000", "disk full; [broker] lost"):
        assert part in text
    assert "can 75 %, jar 15 %, cup 8 %, 2 more" in text
    assert "1 of 9 devices" in text


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")]
)
def test_time_since_a_report_is_in_its_largest_unit(seconds: int, shown: str) -> None:
    assert fleet.ago(NOW - timedelta(seconds=seconds), NOW) == shown


def test_a_device_that_never_reported_is_shown_so() -> None:
    assert fleet.ago(None, NOW) == "never"
