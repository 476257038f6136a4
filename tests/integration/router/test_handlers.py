"""The router's decisions as rows and events."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from router import __main__ as main
from router import handlers, policies
from strop import app, outbox
from strop_contracts import errors, events, tables
from strop_wire import ids
from tests import factories, roles, wait


@pytest.fixture(autouse=True)
async def enrolled(runtime: app.Runtime) -> None:
    """Two lines of one project, and another project."""
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session, devices=("line-1", "line-2"))
        await factories.make_project(session, "cans")


async def route(runtime: app.Runtime, *captures: tables.Capture) -> dict[str, tables.Route]:
    """Route captures all at once, as four routers would: each a part in one transaction; the routes by capture id."""
    async with roles.arranging(runtime).begin() as session:
        session.add_all(captures)

    async def one(part: tuple[tables.Capture, ...]) -> None:
        async with runtime.sessions.begin() as session:
            await handlers.on_captures_received([received(each) for each in part], session)

    await asyncio.gather(*(one(captures[start::4]) for start in range(min(4, len(captures)))))
    async with roles.arranging(runtime)() as session:
        return {str(each.capture_id): each for each in await session.scalars(select(tables.Route))}


def received(capture: tables.Capture) -> events.CaptureReceived:
    return events.CaptureReceived(project=capture.project, capture_id=capture.id, device=capture.device)


def captures(count: int, start: int = 0, **changes: object) -> list[tables.Capture]:
    return [factories.capture(f"{number}".encode(), **changes) for number in range(start, start + count)]


async def set_policy(runtime: app.Runtime, **changes: object) -> None:
    async with runtime.sessions.begin() as session:
        await policies.set_policy(session, factories.PROJECT, changes)


async def test_a_wanted_capture_is_requested(runtime: app.Runtime) -> None:
    (capture,) = captures(1)

    routes = await route(runtime, capture)

    made = routes[str(capture.id)]
    assert (made.project, made.device, made.upload, made.reason) == ("bottles", "line-1", True, "low")
    assert (made.probability, made.policy) == (1.0, 0)
    (happened,) = await wait.outbox(runtime)
    assert isinstance(happened, events.ImageRequested)
    assert (happened.capture_id, happened.device) == (capture.id, "line-1")


async def test_an_unwanted_capture_is_declined_with_the_reason(runtime: app.Runtime) -> None:
    (capture,) = captures(1, margin=0.7)

    routes = await route(runtime, capture)

    made = routes[str(capture.id)]
    assert (made.upload, made.reason, made.probability) == (False, "between", 0.05)
    (happened,) = await wait.outbox(runtime)
    assert isinstance(happened, events.ImageDeclined)
    assert (happened.capture_id, happened.reason) == (capture.id, "between")


async def test_a_decision_that_was_lost_is_published_again_as_it_was(runtime: app.Runtime) -> None:
    wanted, unwanted = captures(1), captures(1, start=1, margin=0.7)
    before = await route(runtime, *wanted, *unwanted)
    published = await wait.outbox(runtime)
    await set_policy(runtime, low=0.0, high=1.0)

    async with runtime.sessions.begin() as session:
        await handlers.on_captures_received([received(each) for each in (*wanted, *unwanted)], session)

    again = (await wait.outbox(runtime))[len(published) :]
    assert sorted(type(each).__name__ for each in again) == ["ImageDeclined", "ImageRequested"]
    assert [each.reason for each in again if isinstance(each, events.ImageDeclined)] == ["between"]
    async with roles.arranging(runtime)() as session:
        after = {str(each.capture_id): each.policy for each in await session.scalars(select(tables.Route))}
    assert after == {id_: each.policy for id_, each in before.items()}


async def test_the_newest_policy_counts_and_is_remembered(runtime: app.Runtime) -> None:
    await set_policy(runtime, low=0.2)
    await set_policy(runtime, low=0.05)
    (capture,) = captures(1, margin=0.1)

    routes = await route(runtime, capture)

    assert (routes[str(capture.id)].upload, routes[str(capture.id)].policy) == (False, 2)


async def test_the_same_bytes_are_wanted_once_even_at_the_same_moment(runtime: app.Runtime) -> None:
    same = [factories.capture(b"same", device=f"line-{1 + number % 2}") for number in range(8)]

    routes = await route(runtime, *same)

    reasons = sorted(each.reason for each in routes.values())
    assert reasons == ["duplicate"] * 7 + ["low"]


async def test_the_same_bytes_in_another_project_are_no_duplicate(runtime: app.Runtime) -> None:
    one, other = factories.capture(b"same"), factories.capture(b"same", project="cans")

    routes = await route(runtime, one, other)

    assert all(each.upload for each in routes.values())


async def test_what_was_declined_before_makes_no_duplicate(runtime: app.Runtime) -> None:
    await route(runtime, factories.capture(b"same", margin=0.7))

    again = factories.capture(b"same")
    routes = await route(runtime, again)

    assert routes[str(again.id)].upload


async def test_a_device_keeps_to_its_budget_even_when_all_comes_at_once(runtime: app.Runtime) -> None:
    await set_policy(runtime, device_per_hour=5)
    one, other = captures(15, device="line-1"), captures(4, 100, device="line-2")

    routes = await route(runtime, *one, *other)

    wanted = [each.device for each in routes.values() if each.upload]
    assert (wanted.count("line-1"), wanted.count("line-2")) == (5, 4)
    assert {each.reason for each in routes.values() if not each.upload} == {"device-budget"}


async def test_the_fleet_keeps_to_its_budget_even_when_all_comes_at_once(runtime: app.Runtime) -> None:
    await set_policy(runtime, fleet_per_hour=5)
    both = [*captures(8, device="line-1"), *captures(8, 100, device="line-2")]

    routes = await route(runtime, *both)

    assert sum(each.upload for each in routes.values()) == 5
    assert {each.reason for each in routes.values() if not each.upload} == {"fleet-budget"}


async def test_audits_neither_use_a_budget_nor_obey_it(runtime: app.Runtime) -> None:
    await set_policy(runtime, device_per_hour=1)
    audits, uncertain, late = captures(3, audit=True), captures(2, 10), captures(2, 20, audit=True)

    await route(runtime, *audits)
    await route(runtime, *uncertain)
    routes = await route(runtime, *late)

    assert all(routes[str(each.id)].reason == "audit" for each in (*audits, *late))
    assert sorted(routes[str(each.id)].reason for each in uncertain) == ["device-budget", "low"]


async def test_an_hour_later_the_budget_is_there_again(runtime: app.Runtime, session: AsyncSession) -> None:
    await set_policy(runtime, device_per_hour=2, fleet_per_hour=2)
    first = captures(2)
    await route(runtime, *first)
    for each in await session.scalars(select(tables.Route)):
        each.at = datetime.now(UTC) - timedelta(minutes=61)
    await session.commit()

    second = captures(3, 10)
    routes = await route(runtime, *second)

    assert sum(routes[str(each.id)].upload for each in second) == 2


async def test_the_budget_of_another_project_is_its_own(runtime: app.Runtime) -> None:
    await set_policy(runtime, fleet_per_hour=0)
    (capture,) = captures(1, project="cans")

    routes = await route(runtime, capture)

    assert routes[str(capture.id)].upload


async def test_an_unknown_capture_is_invalid(runtime: app.Runtime, session: AsyncSession) -> None:
    event = events.CaptureReceived(project="bottles", capture_id=ids.uuid7(), device="line-1")

    with pytest.raises(errors.InvalidMessage, match="there is no capture"):
        await handlers.on_captures_received([event], session)


async def test_the_service_routes_what_lies_in_its_queue(runtime: app.Runtime, stop: asyncio.Event) -> None:
    (capture,) = captures(1)
    async with runtime.sessions.begin() as session:
        async with roles.owner(session):
            session.add(capture)
        await outbox.add(session, received(capture))

    async with asyncio.TaskGroup() as group:
        for loop in main.build(runtime).loops:
            group.create_task(loop(stop))
        group.create_task(outbox.relay(runtime.sessions, runtime.queues, stop, idle=0.02))
        (happened,) = await wait.for_events(runtime, "ingest")
        stop.set()

    assert isinstance(happened, events.ImageRequested)
    assert happened.capture_id == capture.id


async def test_an_unknown_capture_holds_up_no_other(runtime: app.Runtime, stop: asyncio.Event) -> None:
    known = captures(5)
    unknown = events.CaptureReceived(project="bottles", capture_id=ids.uuid7(), device="line-1")
    async with runtime.sessions.begin() as session:
        async with roles.owner(session):
            session.add_all(known)
        await outbox.add(session, *map(received, known), unknown)
    await outbox.relay_once(runtime.sessions, runtime.queues)

    async with asyncio.TaskGroup() as group:
        for loop in main.build(runtime).loops:
            group.create_task(loop(stop))
        _, reason = await wait.for_letter(runtime, "router")
        stop.set()

    assert str(unknown.capture_id) in reason
    assert len(await wait.outbox(runtime)) == 5
