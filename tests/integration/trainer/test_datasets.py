import json
from datetime import timedelta

import pytest

from strop import storage
from strop_contracts import keys, tables
from tests import roles
from tests.integration.trainer import lab as labs
from tests.unit.trainer import lab as shapes
from trainer import datasets

END = labs.START + timedelta(days=1)


async def gather(lab, until=END):
    async with lab.runtime.sessions() as session:
        return await datasets.gather(session, labs.PROJECT, until)


async def test_base_and_field_are_kept_apart_and_audits_are_held_out(lab):
    await lab.base(labels=("ring", "square"), train=2, valid=1)
    trained = await lab.label("ring", shapes.picture("ring", 50))
    golden = await lab.label("square", shapes.picture("square", 50), audit=True)

    items = {item.sha256: item for item in await gather(lab)}

    assert len(items) == 8
    assert [items[c.sha256].part for c in (trained, golden)] == ["train", "golden"]
    assert items[trained.sha256].origin == "field"
    assert items[trained.sha256].source == f"capture {trained.id}"
    assert {i.source for i in items.values() if i.part == "valid"} == {
        f"{labs.PROJECT}/datasets/base/valid/{label}/2.jpg" for label in ("ring", "square")
    }
    assert items[trained.sha256].group == f"{trained.device}/{trained.at.date()}"
    assert sorted(i.part for i in items.values() if i.origin == "base") == ["train"] * 4 + ["valid"] * 2


async def test_an_extra_audit_is_trained_on_and_not_golden(lab):
    """The golden set stays an even sample of all audits."""
    extra, even = [await lab.label("ring", shapes.picture("ring", seed), audit=True) for seed in (50, 51)]
    async with roles.arranging(lab.runtime).begin() as session:
        for capture in (extra, even):
            about = {"project": labs.PROJECT, "device": capture.device, "sha256": capture.sha256, "priority": 0.0}
            task = tables.LabelTask(capture_id=capture.id, state="done", extra=capture is extra, **about)
            session.add(task)

    parts = {item.sha256: item.part for item in await gather(lab)}
    assert [parts[each.sha256] for each in (extra, even)] == ["train", "golden"]


async def test_only_usable_labels_of_this_project_up_to_the_moment_count(lab):
    await lab.label("ring", shapes.picture("ring", 50))
    await lab.label(None, shapes.picture("ring", 51))
    await lab.label("ring", shapes.picture("ring", 52), project="another")
    await lab.label("ring", shapes.picture("ring", 53))

    assert len(await gather(lab)) == 2
    assert len(await gather(lab, labs.START + timedelta(minutes=2))) == 1


async def test_a_refused_file_is_not_in_the_data_set(lab):
    async with roles.arranging(lab.runtime).begin() as session:
        session.add(
            tables.DatasetItem(
                project=labs.PROJECT, key="k", dataset="base", split="train", label="ring", refused="no image"
            )
        )

    assert await gather(lab) == []


async def test_near_copies_of_one_device_never_straddle(lab):
    await lab.label("ring", shapes.picture("ring", 50), audit=True, phash="00000000000000ff")
    copy = await lab.label("ring", shapes.picture("ring", 51), phash="00000000000000fe")
    elsewhere = await lab.label("ring", shapes.picture("ring", 52), phash="00000000000000fe", device="line-2")

    items = {item.sha256: item.part for item in await gather(lab)}

    assert items[copy.sha256] == "aside"
    assert items[elsewhere.sha256] == "train"


async def test_the_newest_label_of_a_content_counts(lab):
    await lab.label("ring", shapes.picture("ring", 50))
    await lab.label("square", shapes.picture("ring", 50))

    (item,) = await gather(lab)

    assert item.label == "square"


async def test_a_version_is_a_manifest_in_s3_and_a_row(lab):
    await lab.base(labels=("ring",), train=1, valid=1)
    items = await gather(lab)

    await lab.draft(items, await lab.run((await lab.ask()).run_id))

    (row,) = await lab.all(tables.DatasetVersion)
    body = await lab.runtime.storage.get(row.key)
    assert (row.version, row.key) == (1, f"{labs.PROJECT}/datasets/versions/1/manifest.jsonl")
    assert row.sha256 == storage.digest(body)
    assert row.counts == {"base/train": 1, "base/valid": 1}
    assert [json.loads(line)["sha256"] for line in body.splitlines()] == [item.sha256 for item in items]


async def test_the_same_labels_make_the_same_manifest_and_a_new_version(lab):
    await lab.base(labels=("ring",), train=2, valid=1)
    run = await lab.run((await lab.ask()).run_id)

    for _ in range(2):
        await lab.draft(await gather(lab), run)

    first, second = sorted(await lab.all(tables.DatasetVersion), key=lambda row: row.version)
    assert (first.version, second.version) == (1, 2)
    assert first.sha256 == second.sha256
    assert first.key != second.key


async def test_an_attempt_that_stopped_before_its_row_keeps_its_number(lab):
    run = await lab.run((await lab.ask()).run_id)
    async with lab.runtime.sessions.begin() as session:
        stopped, _ = await datasets.draft(session, run, [])

    async with lab.runtime.sessions.begin() as session:
        second, _ = await datasets.draft(session, run, [])

    assert stopped.key != second.key
    assert (await lab.run(run.id)).dataset_version == second.version == stopped.version + 1


async def test_images_are_fetched_once(lab, tmp_path):
    await lab.base(labels=("ring",), train=2, valid=1)
    items = await gather(lab)
    fetched = await datasets.download(lab.runtime.storage, labs.PROJECT, items, tmp_path)
    await lab.runtime.storage.delete(keys.image(labs.PROJECT, items[0].sha256))

    again = await datasets.download(lab.runtime.storage, labs.PROJECT, items, tmp_path)

    assert again == fetched
    assert all(storage.digest(each.path.read_bytes()) == each.sha256 and not each.fault for each in fetched)


@pytest.mark.parametrize("damaged", [b"", b"\xff\xd8\xff", b"another image"])
async def test_a_damaged_image_in_the_cache_is_fetched_again(lab, tmp_path, damaged):
    await lab.base(labels=("ring",), train=2, valid=1)
    items = await gather(lab)
    fetched = await datasets.download(lab.runtime.storage, labs.PROJECT, items, tmp_path)
    fetched[0].path.write_bytes(damaged)

    await datasets.download(lab.runtime.storage, labs.PROJECT, items, tmp_path)

    assert all(storage.digest(each.path.read_bytes()) == each.sha256 for each in fetched)


async def test_an_image_without_its_bytes_in_the_bucket_has_a_fault_and_no_file(lab, tmp_path):
    await lab.base(labels=("ring",), train=3, valid=0)
    items = await gather(lab)
    await lab.runtime.storage.delete(keys.image(labs.PROJECT, items[0].sha256))
    await lab.runtime.storage.put(keys.image(labs.PROJECT, items[1].sha256), b"something else")

    fetched = await datasets.download(lab.runtime.storage, labs.PROJECT, items, tmp_path)

    assert [each.fault for each in fetched] == [
        "its file is missing",
        f"its bytes are not those of sha256 {items[1].sha256}",
        "",
    ]
    assert [each.path.exists() for each in fetched] == [False, False, True]


async def place(lab, label, minute, sequencer="", split="train", image=50):
    """Put one picture into the folder of a label, as ingest writes it down."""
    sha256 = await lab.store(shapes.picture("ring", image))
    key = f"{labs.PROJECT}/datasets/base/{split}/{label}/{image}-{minute}{sequencer}.jpg"
    about = {"project": labs.PROJECT, "dataset": "base", "split": split, "label": label, "sha256": sha256}
    placed_at = labs.START + timedelta(minutes=minute)
    async with roles.arranging(lab.runtime).begin() as session:
        session.add(tables.DatasetItem(**about, key=key, placed_at=placed_at, sequencer=sequencer))
    return key


@pytest.mark.parametrize(("older", "newer"), [("cat", "dog"), ("dog", "cat")])
async def test_a_base_image_under_two_labels_has_that_of_its_newest_place(lab, older, newer):
    await place(lab, newer, minute=2)
    await place(lab, older, minute=1)

    (item,) = await gather(lab)

    assert item.label == newer


@pytest.mark.parametrize(("older", "newer"), [("cat", "dog"), ("dog", "cat")])
async def test_within_a_second_the_sequencer_says_which_place_is_the_newest(lab, older, newer):
    await place(lab, newer, minute=1, sequencer="0b")
    await place(lab, older, minute=1, sequencer="0a")

    (item,) = await gather(lab)

    assert item.label == newer


async def test_labels_that_disagree_are_named_and_counted_in_the_dataset_version(lab):
    placed = [await place(lab, "dog", minute=1), await place(lab, "cat", minute=2)]
    await place(lab, "dog", minute=1, image=51)
    await place(lab, "dog", minute=2, image=51, split="valid")

    async with lab.runtime.sessions() as session:
        (conflict,) = await datasets.conflicts(session, labs.PROJECT)
    await lab.draft(await gather(lab), await lab.run((await lab.ask()).run_id))

    assert (conflict.label, conflict.keys) == ("cat", tuple(placed))
    assert str(conflict).startswith(f"{placed[1]} counts as 'cat'")
    assert placed[0] in str(conflict)
    (row,) = await lab.all(tables.DatasetVersion)
    assert row.counts == {"base/train": 1, "base/valid": 1, "base/label conflicts": 1}
