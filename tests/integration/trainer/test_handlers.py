"""Training to order: exactly the images of a manifest, a model that no gate judges, and an event at either end."""

import json
from typing import Any

import pytest

from strop import consumer
from strop_contracts import events, tables
from strop_wire import ids
from tests import roles
from tests.integration.trainer import lab as labs
from tests.integration.trainer.lab import Lab
from tests.unit.trainer import lab as shapes
from trainer import handlers

KEY = f"{labs.PROJECT}/datasets/orders/1.jsonl"


async def manifest(lab: Lab, labels: tuple[str, ...] = ("ring", "square"), train: int = 4, valid: int = 2) -> None:
    """Put the images of an order and its manifest into the bucket."""
    lines = []
    for label in labels:
        for seed in range(train + valid):
            sha256 = await lab.store(shapes.picture(label, seed))
            part = "train" if seed < train else "valid"
            line = {"sha256": sha256, "label": label, "part": part, "origin": "base", "group": sha256}
            lines.append(json.dumps({**line, "source": f"s3://theirs/{label}/{seed}.jpg"}))
    await lab.runtime.storage.put(KEY, "\n".join(lines).encode())


async def order(lab: Lab) -> events.TrainingOrdered:
    """Deliver an order to the service, as its consumer does."""
    ordered = events.TrainingOrdered(project=labs.PROJECT, run_id=ids.uuid7(), manifest=KEY, backbone="lite0")
    table = consumer.Handlers(one={events.TrainingOrdered: handlers.on_training_ordered})
    reader = consumer.Consumer("trainer", lab.runtime.sessions, lab.runtime.queues, table)
    for _ in range(2):  # a repeat changes nothing
        await reader._handle([ordered])
    return ordered


async def carry_out(lab: Lab) -> tables.TrainingRun:
    ordered = await order(lab)
    await lab.runs.carry_out(events.TrainingRequested(project=labs.PROJECT, run_id=ordered.run_id))
    return await lab.run(ordered.run_id)


async def test_an_order_becomes_a_run_that_is_asked_for_once(lab: Lab) -> None:
    ordered = await order(lab)

    (run,) = await lab.all(tables.TrainingRun)
    assert (run.id, run.state, run.trigger) == (ordered.run_id, "requested", "order")
    assert (run.manifest, run.backbone) == (KEY, "lite0")
    assert await lab.announced("TrainingRequested") == [{"project": labs.PROJECT, "run_id": str(run.id)}]


async def test_a_model_to_order_is_of_the_manifests_images_and_stays_from_the_fleet(lab: Lab) -> None:
    await lab.base(labels=("stripes",))  # what the fleet has is no part of it
    await manifest(lab)

    run = await carry_out(lab)

    (model,) = await lab.all(tables.ModelVersion)
    (dataset,) = await lab.all(tables.DatasetVersion)
    (evaluation,) = [each for each in await lab.all(tables.Evaluation) if each.part == "base"]
    assert (run.state, run.model_version, model.version, model.state) == ("succeeded", 1, 1, "hosted")
    assert model.labels == ["ring", "square"]
    assert (dataset.key, dataset.counts) == (KEY, {"base/train": 8, "base/valid": 4})
    assert evaluation.metrics.images == 4
    registered: dict[str, Any] = {"project": labs.PROJECT, "run_id": str(run.id), "model_version": 1}
    assert await lab.announced("ModelRegistered") == [registered]
    assert await lab.announced("ModelApproved") == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "the manifest of the order is missing: no object at"),
        (b"{}\n", "the manifest of the order cannot be read: line 1: sha256: Field required"),
        (b"not JSON\n", "the manifest of the order cannot be read: line 1: Invalid JSON"),
    ],
)
async def test_an_order_that_cannot_be_carried_out_says_why(lab: Lab, body: bytes | None, reason: str) -> None:
    if body:
        await lab.runtime.storage.put(KEY, body)

    run = await carry_out(lab)

    assert run.state == "failed"
    assert run.error
    assert run.error.startswith(reason)
    (failed,) = await lab.announced("TrainingFailed")
    assert failed == {"project": labs.PROJECT, "run_id": str(run.id), "reason": run.error}
    assert await lab.all(tables.ModelVersion) == []


async def test_an_order_that_is_taken_up_again_has_one_data_set_and_keeps_its_number(lab: Lab) -> None:
    await manifest(lab)
    ordered = await order(lab)
    async with roles.arranging(lab.runtime).begin() as session:
        run = await session.get_one(tables.TrainingRun, ordered.run_id)
        run.model_version = 7  # reserved by an attempt that crashed
        session.add(tables.DatasetVersion(project=labs.PROJECT, version=3, key=KEY, sha256="0", counts={}))

    await lab.runs.carry_out(events.TrainingRequested(project=labs.PROJECT, run_id=ordered.run_id))

    (model,) = await lab.all(tables.ModelVersion)
    assert (model.version, model.dataset_version) == (7, 3)


async def test_an_order_does_not_stand_in_the_way_of_the_fleets_next_run(lab: Lab) -> None:
    await order(lab)

    asked = await lab.ask()

    assert {run.trigger for run in await lab.all(tables.TrainingRun)} == {"order", "manual"}
    assert asked.run_id
