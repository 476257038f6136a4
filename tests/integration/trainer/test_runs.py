import asyncio
import dataclasses
import json

import pytest
from sqlalchemy import text

from strop import storage
from strop_cli import model_keys
from strop_contracts import documents, errors, events, keys, states, tables
from strop_edge import signature
from strop_edge.model import Model
from strop_wire import ids, messages
from tests import factories, roles
from tests.integration.trainer import lab as labs
from tests.unit.trainer import lab as shapes
from trainer import backbone, child, jobs, lease, queries, registry
from trainer.runs import Runs

OPEN_TRANSACTIONS = text(
    "select * from pg_stat_activity where state like 'idle in transaction%' and datname = current_database()"
)


async def test_a_request_becomes_an_approved_model_that_a_device_can_fetch_and_run(lab, cache, tmp_path):
    await lab.base()

    run = await lab.train()

    assert (run.state, run.attempts, run.dataset_version, run.error) == ("succeeded", 1, 1, None)
    assert run.finished_at > run.started_at
    assert run.progress.step in {"features", "head", "judge"}
    (made,) = await lab.all(tables.ModelVersion)
    assert (made.version, made.state, made.run_id, made.dataset_version) == (1, "approved", run.id, 1)
    assert made.labels == ["ring", "square", "stripes"]
    assert made.reasons[0].startswith("first model, base:")
    assert await lab.announced("ModelApproved") == [{"project": labs.PROJECT, "model_version": 1}]
    for name in made.files:
        body = await lab.runtime.storage.get(made.files[name].key)
        assert (storage.digest(body), len(body)) == (made.files[name].sha256, made.files[name].size)
        (tmp_path / name).write_bytes(body)
    Model(tmp_path).self_test()
    wanted = {name: messages.ModelFile(file.sha256, file.size) for name, file in made.files.items()}
    trusted = signature.Keys.read(cache / model_keys.PUBLIC, labs.PROJECT)
    trusted.check(tmp_path, messages.Desired("d1", "v1", wanted, messages.Policy()))
    assert made.files["head.onnx"].key == f"{labs.PROJECT}/models/v1/1/head.onnx"
    assert made.files["backbone.onnx"].key == f"{labs.PROJECT}/backbones/{backbone.SHA256}.onnx"
    fetchable = {(file.sha256, file.key, file.size) for file in await lab.all(tables.ModelFile)}
    assert fetchable == {(f.sha256, f.key, f.size) for f in made.files.values()}


async def test_base_and_field_are_judged_apart_with_every_outcome_kept(lab):
    await lab.base()
    await lab.field("ring")

    await lab.train()

    found = {row.part: row for row in await lab.all(tables.Evaluation)}
    assert {part: row.metrics.images for part, row in found.items()} == {"base": 9, "field": 5}
    for row in found.values():
        lines = (await lab.runtime.storage.get(row.outcomes_key)).splitlines()
        assert len(lines) == row.metrics.images
        assert sum(json.loads(line)["label"] == json.loads(line)["predicted"] for line in lines) == row.metrics.right


async def test_field_labels_make_a_challenger_that_beats_the_champion(lab):
    await lab.base(labels=("ring", "square"))
    await lab.train()
    await lab.field("stripes")

    run = await lab.train()

    first, second = sorted(await lab.all(tables.ModelVersion), key=lambda model: model.version)
    assert (second.version, second.state, second.run_id) == (2, "approved", run.id)
    assert second.files["backbone.onnx"] == first.files["backbone.onnx"]
    assert second.files["head.onnx"].sha256 != first.files["head.onnx"].sha256
    assert [body["model_version"] for body in await lab.announced("ModelApproved")] == [1, 2]


@pytest.mark.parametrize(("held_out", "state"), [(3, "undecided"), (10, "refused")])
async def test_a_model_that_is_not_approved_is_registered_with_its_reasons_and_not_shipped(lab, held_out, state):
    await lab.base(valid=held_out)
    await lab.train()

    run = await lab.train()

    second = max(await lab.all(tables.ModelVersion), key=lambda model: model.version)
    assert (run.state, second.state) == ("succeeded", state)
    assert second.reasons[0].startswith("base: not better than the champion (0 gained, 0 lost)")
    assert [body["model_version"] for body in await lab.announced("ModelApproved")] == [1]


async def left_undecided(lab):
    """Version 2 has learned stripes from field images; one audit is too few to tell. Returns a request to judge it again."""
    await lab.base(labels=("ring", "square"))
    await lab.train()
    await lab.field("stripes", audits=1)
    await lab.train()
    assert [model.state for model in await lab.all(tables.ModelVersion)] == ["approved", "undecided"]
    for seed in range(200, 206):
        await lab.label("stripes", shapes.picture("stripes", seed), audit=True)
    async with lab.runtime.sessions.begin() as session:
        run = await queries.request(session, labs.PROJECT, states.RunTrigger.AUDITS, 2)
    return events.TrainingRequested(project=labs.PROJECT, run_id=run)


async def test_an_undecided_model_is_judged_again_on_new_audits(lab):
    asked = await left_undecided(lab)

    for _ in range(2):
        await lab.runs.carry_out(asked)

    first, second = sorted(await lab.all(tables.ModelVersion), key=lambda model: model.version)
    run = await lab.run(asked.run_id)
    assert (run.state, run.attempts, run.model_version) == ("succeeded", 1, None)
    assert (second.state, second.judged, second.judged_at, second.champion) == ("approved", 2, run.started_at, 1)
    assert second.reasons[-1] == "judgement 2 of this model, after new labelled audits"
    assert [body["model_version"] for body in await lab.announced("ModelApproved")] == [1, 2]
    (field,) = [row for row in await lab.all(tables.Evaluation) if (row.model_version, row.part) == (2, "field")]
    assert (field.metrics.images, field.champion_right) == (7, 0)
    for key in (field.outcomes_key, field.champion_key):
        assert len((await lab.runtime.storage.get(key)).splitlines()) == 7
    assert second.files != first.files


async def test_a_model_that_a_person_decided_on_meanwhile_is_not_judged_again(lab):
    asked = await left_undecided(lab)
    async with lab.runtime.sessions.begin() as session:
        await registry.reject(session, labs.PROJECT, 2, "ann", "too slow")

    await lab.runs.carry_out(asked)

    second = max(await lab.all(tables.ModelVersion), key=lambda model: model.version)
    assert ((await lab.run(asked.run_id)).state, second.state, second.judged) == ("succeeded", "refused", 1)
    assert [body["model_version"] for body in await lab.announced("ModelApproved")] == [1]


async def test_a_judgement_that_fails_waits_for_further_audits(lab, monkeypatch):
    asked = await left_undecided(lab)

    async def fail(*_):
        raise child.Failed("no memory")

    monkeypatch.setattr(child, "run", fail)
    await lab.runs.carry_out(asked)

    run = await lab.run(asked.run_id)
    second = max(await lab.all(tables.ModelVersion), key=lambda model: model.version)
    assert (run.state, second.state, second.judged_at) == ("failed", "undecided", run.started_at)


async def test_the_champion_is_the_model_that_was_rolled_out_last(lab):
    """Version 2 was approved and taken back; the challenger must beat version 1."""
    await lab.base(labels=("ring", "square"))
    await lab.train()
    async with roles.arranging(lab.runtime).begin() as session:
        await factories.make_model(session, 2)
        session.add(
            tables.Deployment(
                project=labs.PROJECT, model_version=1, kind="rollback", state="succeeded", stages=[1.0], reason="bad"
            )
        )
    await lab.field("stripes")

    await lab.train()

    newest = max(await lab.all(tables.ModelVersion), key=lambda model: model.version)
    assert (newest.version, newest.state) == (3, "approved")


async def test_the_same_request_twice_makes_one_model(lab):
    await lab.base()
    asked = await lab.ask()

    for _ in range(2):
        await lab.runs.carry_out(asked)

    assert len(await lab.all(tables.ModelVersion)) == 1
    assert (await lab.run(asked.run_id)).attempts == 1


async def test_two_trainers_with_the_same_request_make_one_model(lab):
    await lab.base()
    asked = await lab.ask()
    other = Runs(lab.runtime, lab.settings)

    await asyncio.gather(lab.runs.carry_out(asked), other.carry_out(asked))

    assert len(await lab.all(tables.ModelVersion)) == 1
    assert len(await lab.all(tables.DatasetVersion)) == 1


async def test_an_unknown_run_is_an_invalid_message(lab):
    with pytest.raises(errors.InvalidMessage, match="no such training run"):
        await lab.runs.carry_out(events.TrainingRequested(project=labs.PROJECT, run_id=ids.uuid7()))


async def test_without_two_labels_the_run_fails_and_says_what_is_missing(lab):
    await lab.base(labels=("ring",))

    run = await lab.train()

    assert run.state == "failed"
    assert run.error == "training needs images of at least 2 labels, found 1: import a base set first"
    assert await lab.all(tables.ModelVersion) == []
    assert await lab.all(tables.DatasetVersion) == []


async def spoil(lab, *seeds):
    """Put other bytes in the place of images, or none for the last of them; no cache has them."""
    images = [keys.image(labs.PROJECT, storage.digest(shapes.picture("ring", seed))) for seed in seeds]
    for key in images:
        await lab.runtime.storage.put(key, b"something else")
    await lab.runtime.storage.delete(images[-1])
    lab.settings = lab.settings.model_copy(update={"cache": lab.settings.cache / f"without-{len(seeds)}"})
    lab.runs = Runs(lab.runtime, lab.settings)


async def test_an_image_that_is_missing_in_the_bucket_is_left_out_and_named(lab):
    await lab.base()
    await spoil(lab, 0)

    run = await lab.train()

    (model,) = await lab.all(tables.ModelVersion)
    key = f"{labs.PROJECT}/datasets/base/train/ring/0.jpg"
    assert run.state == "succeeded"
    assert f"1 of 27 images cannot be used: {key}: its file is missing. The others were used" in model.reasons
    base = next(each for each in await lab.all(tables.Evaluation) if each.part == "base")
    assert [each.source for each in base.metrics.skipped] == [key]


async def test_too_many_bad_images_end_the_run_with_their_names(lab):
    await lab.base()
    await spoil(lab, 0, 1, 2)

    run = await lab.train()

    assert run.state == "failed"
    assert run.error.startswith("3 of 27 images cannot be used: ")
    assert all(f"/train/ring/{seed}.jpg: " in run.error for seed in (0, 1, 2))
    assert await lab.all(tables.ModelVersion) == []


async def leased(lab, seconds=60.0):
    asked = await lab.ask()
    run = await lease.take(lab.runtime.sessions, asked.run_id, seconds)
    assert run
    return run, lease.Lease(lab.runtime.sessions, run, seconds)


async def test_a_run_in_other_hands_is_left_alone(lab):
    run, _ = await leased(lab)

    assert await lease.take(lab.runtime.sessions, run.id, 60) is None
    await lab.runs.carry_out(events.TrainingRequested(project=labs.PROJECT, run_id=run.id))
    assert (await lab.run(run.id)).lease == run.lease


async def test_a_lease_that_ran_out_can_be_taken_and_the_old_one_is_worth_nothing(lab):
    run, mine = await leased(lab)
    await mine.tell(documents.Progress(step="head"))

    taken = await labs.take_over(lab, run.id)

    assert (taken.attempts, taken.lease != run.lease) == (2, True)
    with pytest.raises(lease.Lost):
        await mine.tell(documents.Progress(step="judge"))
    assert (await lab.run(run.id)).progress == documents.Progress(step="head")


async def test_a_silent_trainer_keeps_its_lease(lab):
    run, mine = await leased(lab, seconds=3)
    keeping = asyncio.create_task(mine.keep())

    for _ in range(10):
        await asyncio.sleep(0.4)
        assert await lease.take(lab.runtime.sessions, run.id, 60) is None

    keeping.cancel()


async def test_a_trainer_that_was_thought_dead_registers_nothing(lab, tmp_path):
    run, mine = await leased(lab)
    await labs.take_over(lab, run.id)

    with pytest.raises(lease.Lost):
        await registry.register(lab.runtime, mine, run, 1, 1, None, *packaged(tmp_path / "package", ""))

    assert await lab.keys("models/") == set()
    assert await lab.all(tables.ModelVersion) == []
    assert (await lab.run(run.id)).state == "running"


async def test_a_model_of_one_graph_is_registered_with_all_its_files(lab):
    lab.runs = Runs(lab.runtime, lab.settings.model_copy(update={"backend": "constant"}))
    await lab.base()

    run = await lab.train()

    (model,) = await lab.all(tables.ModelVersion)
    assert (run.state, model.state) == ("succeeded", "refused")
    folder = f"{labs.PROJECT}/models/v1/1"
    assert {name: file.key for name, file in model.files.items()} == {
        "model.json": f"{folder}/model.json",
        "model.onnx": f"{folder}/model.onnx",
        "model.sig": f"{folder}/model.sig",
    }
    for file in model.files.values():
        assert storage.digest(await lab.runtime.storage.get(file.key)) == file.sha256


class Watched(storage.Storage):
    """The bucket; notes the transactions that are open at each request."""

    def __init__(self, runtime):
        super().__init__(runtime.storage._client, runtime.storage._public, runtime.storage.bucket)
        self._runtime = runtime
        self.requests = []
        self.open = []

    async def get(self, key, *others):
        await self._note(key)
        return await super().get(key, *others)

    async def put(self, key, *others):
        await self._note(key)
        await super().put(key, *others)

    async def _note(self, key):
        self.requests.append(key)
        async with roles.arranging(self._runtime)() as session:
            self.open += [(key, row.query) for row in await session.execute(OPEN_TRANSACTIONS)]


async def test_no_transaction_is_open_while_the_bucket_is_called(lab):
    watched = Watched(lab.runtime)
    lab.runtime = dataclasses.replace(lab.runtime, storage=watched)
    lab.runs = Runs(lab.runtime, lab.settings)
    await lab.base()
    for _ in range(2):  # the second run reads the champion
        await lab.train()
    order = labs.PROJECT + "/datasets/orders/1.jsonl"
    await watched.put(order, await watched.get(f"{labs.PROJECT}/datasets/versions/1/manifest.jsonl"))
    async with lab.runtime.sessions.begin() as session:
        await queries.order(session, run_id := ids.uuid7(), labs.PROJECT, order, "lite0")

    await lab.runs.carry_out(events.TrainingRequested(project=labs.PROJECT, run_id=run_id))

    assert (await lab.run(run_id)).state == "succeeded"
    assert {"manifest.jsonl", "model.json", "head.onnx", "1.jsonl"} <= {key.split("/")[-1] for key in watched.requests}
    assert watched.open == []


class Slow(storage.Storage):
    """The bucket; its first upload waits until it is released."""

    def __init__(self, real):
        super().__init__(real._client, real._public, real.bucket)
        self.requested, self.released = asyncio.Event(), asyncio.Event()

    async def put(self, key, *others):
        if not self.requested.is_set():
            self.requested.set()
            await self.released.wait()
        await super().put(key, *others)


def packaged(folder, text):
    """A package with these bytes in each file, and the result of the child that made it."""
    folder.mkdir()
    names = ("model.json", "head.onnx", "backbone.onnx")
    bodies = {name: (name if name == "backbone.onnx" else name + text).encode() for name in names}
    for name, body in bodies.items():
        (folder / name).write_bytes(body)
    files = {name: messages.ModelFile(storage.digest(body), len(body)) for name, body in bodies.items()}
    about = {"labels": [], "reasons": [], "state": "approved", "evaluations": {}, "outcomes": {}}
    return folder, jobs.Result(shared="backbone.onnx", files=files, **about)


async def test_a_late_upload_does_not_change_a_registered_model(lab, tmp_path):
    run, mine = await leased(lab)
    slow = Slow(lab.runtime.storage)
    late = dataclasses.replace(lab.runtime, storage=slow)
    registering = asyncio.create_task(registry.register(late, mine, run, 1, 1, None, *packaged(tmp_path / "1", "late")))
    await slow.requested.wait()
    taken = await labs.take_over(lab, run.id)
    other = lease.Lease(lab.runtime.sessions, taken, 60)
    await registry.register(lab.runtime, other, taken, 1, 1, None, *packaged(tmp_path / "2", "quick"))

    slow.released.set()
    with pytest.raises(lease.Lost):
        await registering

    (model,) = await lab.all(tables.ModelVersion)
    for file in model.files.values():
        assert storage.digest(await lab.runtime.storage.get(file.key)) == file.sha256
