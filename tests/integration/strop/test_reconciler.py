"""What a queue has lost is emitted again, at growing intervals, and only if the queue can be the reason."""

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import delete, func, update

from strop import app, db, outbox, reconciler, sqs
from strop_contracts import events, tables, waits
from tests import factories, wait

SERVICE = "ingest"
AFTER = 600.0


def reconciling(runtime: app.Runtime) -> reconciler.Reconciler:
    return reconciler.Reconciler(runtime.sessions, runtime.queues, SERVICE, AFTER)


async def capture(runtime: app.Runtime, age: float, seed: int = 1) -> tables.Capture:
    """A capture of this age in seconds, without a decision."""
    async with runtime.sessions.begin() as session:
        return await factories.make_capture(session, factories.picture(seed), at=func.now() - timedelta(seconds=age))


async def ages(runtime: app.Runtime, seconds: float) -> None:
    async with runtime.sessions.begin() as session:
        await session.execute(update(tables.Capture).values(at=func.now() - timedelta(seconds=seconds)))


def shown() -> float | None:
    return REGISTRY.get_sample_value("strop_waiting_oldest_seconds", {"service": SERVICE, "kind": waits.DECISION.kind})


async def test_a_lost_event_is_emitted_again_with_its_fields(runtime: app.Runtime) -> None:
    made = await capture(runtime, AFTER + 1)

    assert await reconciling(runtime).reconcile(waits.DECISION) == 1

    (event,) = await wait.outbox(runtime)
    assert isinstance(event, events.CaptureReceived)
    assert (event.project, event.capture_id, event.device) == (made.project, made.id, made.device)


async def test_a_row_younger_than_the_limit_is_shown_and_left_alone(runtime: app.Runtime) -> None:
    await capture(runtime, AFTER / 2)

    assert await reconciling(runtime).reconcile(waits.DECISION) == 0

    assert AFTER / 2 <= (shown() or 0) < AFTER / 2 + wait.PATIENCE


async def test_a_row_that_stays_is_emitted_at_growing_ages(runtime: app.Runtime) -> None:
    await capture(runtime, 0)
    emitted = []

    for minutes in range(5, 100, 5):
        await ages(runtime, 60 * minutes + 1)
        if await reconciling(runtime).reconcile(waits.DECISION):
            emitted.append(minutes)
            async with runtime.sessions.begin() as session:
                await session.execute(delete(tables.Outbox))

    assert emitted == [10, 20, 40, 80]


async def test_a_decided_row_is_not_waiting(runtime: app.Runtime) -> None:
    made = await capture(runtime, AFTER + 1)
    async with runtime.sessions.begin() as session:
        session.add(tables.Upload(capture_id=made.id, state="dropped"))

    assert await reconciling(runtime).reconcile(waits.DECISION) == 0
    assert shown() == 0


async def test_rows_that_were_emitted_do_not_starve_others(
    runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "MOST", 2)
    for seed in range(5):
        await capture(runtime, AFTER + 10 - seed, seed)

    assert [await reconciling(runtime).reconcile(waits.DECISION) for _ in range(4)] == [2, 2, 1, 0]


async def test_nothing_is_emitted_into_a_backlog(runtime: app.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "BACKLOG", 1)
    await capture(runtime, AFTER + 1)
    await runtime.queues.send("router", [sqs.Outgoing("{}")])

    assert await reconciling(runtime).reconcile(waits.DECISION) == 0


async def test_nothing_is_emitted_while_the_outbox_cannot_be_sent(runtime: app.Runtime) -> None:
    made = await capture(runtime, AFTER + 1)
    async with runtime.sessions.begin() as session:
        await outbox.add(session, events.CaptureReceived(project="p", capture_id=made.id, device="d"))
        await session.execute(update(tables.Outbox).values(at=func.now() - timedelta(seconds=reconciler.UNSENT + 1)))

    assert await reconciling(runtime).reconcile(waits.DECISION) == 0


async def test_another_copy_in_the_middle_of_a_round_is_left_alone(runtime: app.Runtime) -> None:
    await capture(runtime, AFTER + 1)
    first, second = reconciling(runtime), reconciling(runtime)
    async with runtime.sessions.begin() as session:
        await db.lock(session, f"{SERVICE}: reconcile {waits.DECISION.kind}")
        assert await first.reconcile(waits.DECISION) == 0

    assert await second.reconcile(waits.DECISION) == 1
