"""Labels by folder, as people and their computers make them: the plain AWS CLI, real notifications, real services."""

import unicodedata
from collections.abc import Awaitable, Callable

from sqlalchemy import select

from labeling_queue import labels
from strop import app
from strop_contracts import keys, states, tables
from strop_wire import hidden
from tests import factories, roles, wait
from tests.integration.folders.conftest import Person, Write

PROJECT = factories.PROJECT


async def becomes(read: Callable[[], Awaitable[object]], expected: object) -> None:
    """Wait until what is read equals what is expected; the failure shows both."""

    async def equal() -> bool:
        return await read() == expected

    try:
        await wait.until(equal)
    except TimeoutError:
        assert await read() == expected


async def stored(runtime: app.Runtime, seed: int) -> tables.Capture:
    """A capture of a device, whose image is stored, without a label."""
    body = factories.picture(seed)
    async with roles.arranging(runtime).begin() as session:
        capture = await factories.make_capture(session, body)
        await factories.make_image(session, capture)
        about = {"project": PROJECT, "capture_id": capture.id, "device": capture.device}
        session.add(tables.LabelTask(**about, sha256=capture.sha256, priority=0))
        state = states.UploadState.STORED
        session.add(tables.Upload(capture_id=capture.id, state=state, key=keys.upload(capture)))
    await runtime.storage.put(keys.image(PROJECT, capture.sha256), body, "image/jpeg")
    await runtime.storage.put(keys.upload(capture), body, "image/jpeg")
    return capture


async def no_letters(runtime: app.Runtime) -> None:
    async with roles.arranging(runtime)() as session:
        assert [row.reason for row in await session.scalars(select(tables.DeadLetter))] == []
    assert await runtime.queues.depth("ingest-dlq") == 0


async def folders(person: Person) -> list[str]:
    """Return the label's folder of each copy in its place; of other images the whole key."""
    copies = [key for key in await person.places(keys.LABELED) if key.lower().endswith(".jpg") and not hidden.part(key)]
    return sorted(key.split("/")[0] if "_by_hand_" in key or "_0.55_" in key else key for key in copies)


async def count(person: Person, folder: str) -> int:
    return len(await person.places(folder))


async def test_raw_files_moved_locally_and_synchronised_are_labels(person: Person, runtime: app.Runtime) -> None:
    captures = [await stored(runtime, seed) for seed in range(3)]
    given = dict(zip(captures, ("can", "can", "water bottle"), strict=True))
    await person.aws("sync BUCKET/raw_field_data raw")
    for capture, label in given.items():
        target = person.folder / "labeled" / label / keys.file_name(capture)
        target.parent.mkdir(parents=True, exist_ok=True)
        (person.folder / "raw" / capture.device / keys.file_name(capture)).rename(target)

    await person.aws("sync labeled BUCKET/labeled_field_data")

    await becomes(person.labels, {capture.sha256: label for capture, label in given.items()})
    names = sorted(f"{label}/{keys.file_name(capture)}" for capture, label in given.items())
    await becomes(lambda: person.places(keys.LABELED), names)
    await becomes(lambda: person.places(keys.UPLOADS), [])
    await no_letters(runtime)


async def test_names_that_computers_and_people_make_are_read(
    person: Person, runtime: app.Runtime, write: Write
) -> None:
    capture = await stored(runtime, 1)
    nfc, nfd = (unicodedata.normalize(form, "déjà vu") for form in ("NFC", "NFD"))
    given = {
        write("tree/can/day 1/a+b & c.jpg", 2): "can",
        write(f"tree/can/{nfd} (1).JPG", 3): "can",
        write("tree/water bottle/3F2504E0-4F89-41D3-9A0C-0305E82C3301.jpg", 4): "water bottle",  # a phone's name
        write(f"tree/water bottle/sub/Copy of {capture.id} - 2.jpg", 1): "water bottle",
        write(f"tree/{nfd}/水.jpg", 5): nfc,
    }
    write("tree/can/twice.jpg", 2)
    for name in ("can/.DS_Store", "Thumbs.db", "can/Thumbs.db", "can/notes.txt", "__MACOSX/can/._a.jpg"):
        write(f"tree/{name}", 6)
    async with roles.arranging(runtime).begin() as session:
        session.add(tables.FolderLabel(project=PROJECT, name=nfc, label=nfc, author="ada"))
    for folder in ("can/", "", "empty one/"):
        await runtime.storage.put(f"{PROJECT}/labeled_field_data/{folder}", b"")

    for _ in range(2):
        await person.aws("sync tree BUCKET/labeled_field_data")
        await becomes(person.labels, given)
        await wait.until(person.settled)

    await becomes(lambda: folders(person), sorted(given.values()))
    await no_letters(runtime)


async def test_images_without_a_label_brought_by_hand_get_tasks(
    person: Person, runtime: app.Runtime, write: Write
) -> None:
    hashes = {write("photos/one.jpg", 1), write("photos/phone/two three.jpg", 2)}
    write("photos/again.jpg", 1)

    await person.aws("cp --recursive photos BUCKET/raw_field_data")

    async def tasks() -> set[str]:
        async with roles.arranging(runtime)() as session:
            return set(await session.scalars(select(tables.LabelTask.sha256)))

    await becomes(tasks, hashes)
    await becomes(lambda: count(person, keys.UPLOADS), 2)
    await no_letters(runtime)


async def test_a_file_moved_back_to_raw_takes_its_label_back(person: Person, runtime: app.Runtime) -> None:
    capture = await stored(runtime, 1)
    name = keys.file_name(capture)
    await person.aws(f"mv BUCKET/raw_field_data/{capture.device}/{name} BUCKET/labeled_field_data/can/{name}")
    await becomes(person.labels, {capture.sha256: "can"})
    await wait.until(person.settled)

    await person.aws(f"mv BUCKET/labeled_field_data/can/{name} BUCKET/raw_field_data/{name}")  # not the device's folder

    await becomes(person.labels, {})
    await becomes(lambda: person.places(keys.UPLOADS), [f"{capture.device}/{name}"])
    await no_letters(runtime)


async def test_a_file_moved_on_and_back_has_the_last_label(person: Person, runtime: app.Runtime) -> None:
    capture = await stored(runtime, 1)
    name = keys.file_name(capture)
    await person.aws(f"cp BUCKET/raw_field_data/{capture.device}/{name} BUCKET/labeled_field_data/can/{name}")
    for before, after in (("can", "mug"), ("mug", "can"), ("can", "mug")):
        await becomes(person.labels, {capture.sha256: before})
        await wait.until(person.settled)
        await person.aws(f"mv BUCKET/labeled_field_data/{before}/{name} BUCKET/labeled_field_data/{after}/{name}")

    await becomes(person.labels, {capture.sha256: "mug"})
    await becomes(lambda: person.places(keys.LABELED), [f"mug/{name}"])
    await no_letters(runtime)


async def test_a_misspelled_folder_is_no_label_until_somebody_decides(
    person: Person, runtime: app.Runtime, write: Write
) -> None:
    hashes = [write(f"tree/water_bottles/{seed}.jpg", seed) for seed in range(2)]
    await person.aws("sync tree BUCKET/labeled_field_data")

    async def waiting() -> list[tuple[str, int, str | None]]:
        async with roles.arranging(runtime)() as session:
            return [(each.name, each.images, each.nearest) for each in await labels.waiting(session, PROJECT)]

    await becomes(waiting, [("water_bottles", 2, "water bottle")])
    assert await person.labels() == {}

    async with roles.arranging(runtime).begin() as session:
        await labels.decide(session, PROJECT, "water_bottles", "water bottle", "ada")
    await becomes(person.labels, dict.fromkeys(hashes, "water bottle"))
    await becomes(lambda: folders(person), ["water bottle"] * 2)
    await becomes(waiting, [])
    await no_letters(runtime)
