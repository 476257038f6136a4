"""The progress of a deployment in words."""

from datetime import UTC, datetime

from console import status
from strop_contracts import tables


def deployment(state: str) -> tables.Deployment:
    return tables.Deployment(model_version=1, state=state, stages=[0.25, 1.0], stage=0)


def test_a_running_deployment_names_the_devices_it_waits_for() -> None:
    silent = [("line-8", None), ("line-2", datetime(2026, 5, 4, 3, 2, tzinfo=UTC))]

    told = status.rollout(deployment("running"), silent)

    assert told == "v1 stage 1 of 2: waiting for line-8 (never seen), line-2 (seen 2026-05-04 03:02)"


def test_of_many_devices_the_first_are_named() -> None:
    told = status.rollout(deployment("running"), [(f"line-{n}", None) for n in range(7)])

    assert told.endswith("line-4 (never seen) and 2 more")


def test_a_stage_without_waiting_devices_is_described_as_such() -> None:
    assert status.rollout(deployment("running"), []) == "v1 stage 1 of 2: all devices have answered"
    assert status.rollout(deployment("rolled_back"), [("line-8", None)]) == "v1 rolled back"
