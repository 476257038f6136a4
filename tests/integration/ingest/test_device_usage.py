"""Counts in states: each image is counted once, under its model and policy, in the hour of the first report of it."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from strop import app
from strop_contracts import tables
from strop_wire import ids, reports
from tests import factories
from tests.integration.ingest.batches import Store, all_rows, message, storing

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def store(runtime: app.Runtime) -> Store:
    return storing(runtime)


def bins(*counts: int) -> list[int]:
    return [*counts, *[0] * (reports.BINS - len(counts))]


def counting(boot: str, sequence: int, **images: int) -> reports.State:
    """A state with this many images under each model."""
    usage = tuple(factories.usage({"can": bins(0, count)}, model) for model, count in images.items())
    return factories.state(boot=boot, sequence=sequence, usage=usage)


async def classified(runtime: app.Runtime) -> dict[str, int]:
    """Return the images of each model over all hours."""
    found: Counter[str] = Counter()
    for row in await all_rows(runtime, tables.UsageHour):
        assert row.classified == sum(row.latency) == sum(map(sum, row.predictions.values()))
        found[row.model] += row.classified
    return dict(found)


async def test_counts_become_rows_of_the_boot_and_of_the_hour(runtime: app.Runtime, store: Store) -> None:
    usage = factories.usage(
        {"can": bins(1, 2), "jar": bins(3)}, policy=4, rejected=1, failed=5, kept={"low": 2, "high": 1, "audit": 3}
    )
    state = factories.state(sequence=7, usage=(usage,))

    await store(message(state))

    (of_boot,) = await all_rows(runtime, tables.DeviceUsage)
    assert (of_boot.boot, of_boot.sequence, of_boot.usage) == (UUID(state.boot), 7, usage)
    (hour,) = await all_rows(runtime, tables.UsageHour)
    assert (hour.project, hour.device, hour.model, hour.policy) == (factories.PROJECT, factories.DEVICE, "v1", 4)
    assert hour.hour <= datetime.now(UTC)
    assert (hour.hour.minute, hour.hour.second, hour.hour.microsecond) == (0, 0, 0)
    assert (hour.classified, hour.rejected, hour.failed) == (6, 1, 5)
    assert (hour.low, hour.high, hour.audit) == (2, 1, 3)
    assert (hour.predictions, hour.latency) == ({"can": bins(1, 2), "jar": bins(3)}, usage.latency)


async def test_only_the_increase_is_added(runtime: app.Runtime, store: Store) -> None:
    boot = ids.new_id()
    await store(message(counting(boot, 1, v1=10)))
    await store(message(counting(boot, 2, v1=25)))

    assert await classified(runtime) == {"v1": 25}


async def test_a_repeated_state_is_not_counted_again(runtime: app.Runtime, store: Store) -> None:
    state = message(counting(ids.new_id(), 1, v1=10))

    await store(state, state)
    await store(state)

    assert await classified(runtime) == {"v1": 10}


async def test_states_out_of_order_are_counted_once(runtime: app.Runtime, store: Store) -> None:
    boot = ids.new_id()
    for sequence in (3, 1, 2):
        await store(message(counting(boot, sequence, v1=10 * sequence)))

    assert await classified(runtime) == {"v1": 30}


async def test_a_switch_of_the_model_splits_the_counts(runtime: app.Runtime, store: Store) -> None:
    boot = ids.new_id()
    await store(message(counting(boot, 1, v1=10)))
    await store(message(counting(boot, 2, v1=13, v2=4)))
    await store(message(counting(boot, 3, v2=9)))
    await store(message(counting(boot, 4, v1=15, v2=9)))  # rolled back

    assert await classified(runtime) == {"v1": 15, "v2": 9}


async def test_the_final_counts_of_a_model_are_taken_from_a_late_state(runtime: app.Runtime, store: Store) -> None:
    boot = ids.new_id()
    await store(message(counting(boot, 3, v2=9)))

    await store(message(counting(boot, 2, v1=13, v2=4)))

    assert await classified(runtime) == {"v1": 13, "v2": 9}


async def test_a_lost_first_state_of_a_boot_is_made_up_by_the_next(runtime: app.Runtime, store: Store) -> None:
    await store(message(counting(ids.new_id(), 1, v1=10)))

    await store(message(counting(ids.new_id(), 2, v1=7)))

    assert await classified(runtime) == {"v1": 17}


async def test_several_states_of_one_device_in_a_batch_are_counted_once(runtime: app.Runtime, store: Store) -> None:
    one, other = ids.new_id(), ids.new_id()

    await store(
        message(counting(one, 2, v1=10, v2=1)),
        message(counting(other, 1, v2=5)),
        message(counting(one, 3, v2=4)),
        message(counting(one, 1, v1=2)),
    )

    assert await classified(runtime) == {"v1": 10, "v2": 9}


async def test_two_replicas_count_states_of_one_device_once(runtime: app.Runtime, store: Store) -> None:
    one, other = ids.new_id(), ids.new_id()
    batches = [[message(counting(boot, n, v1=10 * n, v2=n))] for n in range(1, 6) for boot in (one, other)]

    await asyncio.gather(*(store(*batch) for batch in [*batches, *batches]))

    assert await classified(runtime) == {"v1": 100, "v2": 10}


async def test_devices_and_hours_have_their_own_rows(
    runtime: app.Runtime, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = ids.new_id()
    await store(message(counting(boot, 1, v1=10)))
    later = datetime(2100, 1, 1, 5, 30, tzinfo=UTC)
    monkeypatch.setattr("ingest.device_messages.now", lambda: later)

    await store(message(counting(boot, 2, v1=12)))

    found: dict[Any, int] = {row.hour: row.classified for row in await all_rows(runtime, tables.UsageHour)}
    assert found.pop(datetime(2100, 1, 1, 5, tzinfo=UTC)) == 2
    assert list(found.values()) == [10]


async def test_a_device_that_names_a_new_boot_in_each_state_fills_no_table(
    runtime: app.Runtime, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.usage.MAX_ROWS", 3)
    first = ids.new_id()
    await store(message(counting(first, 1, v1=1)), *(message(counting(ids.new_id(), 1, v1=1)) for _ in range(9)))
    await store(*(message(counting(ids.new_id(), 1, **{f"v{number}": 1 for number in range(9)})) for _ in range(9)))

    await store(message(counting(first, 2, v1=5)))

    assert len(await all_rows(runtime, tables.DeviceUsage)) == 3
    assert await classified(runtime) == {"v1": 3 + 4}


async def test_counts_above_the_limit_are_stored_once_there_is_room(
    runtime: app.Runtime, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = ids.new_id()
    monkeypatch.setattr("ingest.usage.MAX_ROWS", 0)
    await store(message(counting(boot, 1, v1=4)))
    assert await classified(runtime) == {}

    monkeypatch.setattr("ingest.usage.MAX_ROWS", 1)
    await store(message(counting(boot, 2, v1=6)))

    assert await classified(runtime) == {"v1": 6}
