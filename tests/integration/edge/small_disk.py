"""A disk of a few megabytes, for a child process: a tmpfs in a namespace of its own, which needs no root.

`python -m tests.integration.edge.small_disk SCENARIO FOLDER` plays one of the scenarios with a spool on it.
"""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

from strop_edge import disk, image_files, journal, spool
from tests.unit.edge.factories import capture

MEGABYTES = 24
IMAGE = b"x" * 100_000


def command(folder: Path, *argv: str) -> list[str]:
    """Run a command with a small disk at this folder; it ends with the command."""
    # In a chroot the root is no mount point, so unshare cannot make it private and would fail.
    own = ["--mount", "--propagation=unchanged", *([] if os.getuid() == 0 else ["--map-root-user"])]
    private = "mount --make-rprivate / 2>/dev/null"
    mount = f'{private}; mount -t tmpfs -o size={MEGABYTES}m tmpfs "$0" && exec "$@"'
    return ["unshare", *own, "sh", "-c", mount, str(folder), *argv]


def fill(folder: Path) -> None:
    """Take all the room there is, as other programs' logs would."""
    with (folder / "log").open("ab", buffering=0) as file:
        for size in (100_000, 1000, 1):
            try:
                while True:
                    file.write(b"l" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017 - not what is tested


def opened(folder: Path) -> spool.Spool:
    return spool.Spool(journal.spool_folder(folder), 10**9)


def put(images: spool.Spool, *, audit: bool = False) -> str:
    said = capture(audit=audit, size=len(IMAGE))
    assert images.put(said, IMAGE)
    return said.id


def names(folder: Path) -> set[str]:
    return {path.name for path in (journal.spool_folder(folder) / "images").iterdir()}


def accounted(images: spool.Spool, folder: Path, count: int) -> None:
    """Every capture is here or counted once, and nothing else lies about."""
    fates = journal.fates(folder)
    dropped = [id_ for id_, fate in fates.items() if fate == "dropped:disk-full"]
    assert len(fates) == count
    assert images.items + len(dropped) == count
    assert journal.drops(folder) == ({"disk-full": len(dropped)} if dropped else {})
    assert names(folder) == fates.keys() - set(dropped)


def images_leave_room_for_the_database(folder: Path) -> None:
    images = opened(folder)
    audit = put(images, audit=True)
    for _ in range(300):
        put(images)

    assert disk.free_bytes(folder) >= image_files.RESERVE - len(IMAGE)
    assert images.items > 100
    accounted(images, folder, 301)
    assert audit in names(folder)


def others_fill_the_disk(folder: Path) -> None:
    images = opened(folder)
    for _ in range(50):
        put(images)
    images.due(100)
    fill(folder)

    for _ in range(100):  # more than the log has room for
        images.announce_all()
        assert images.due(100)
    fill(folder)
    put(images)
    accounted(images, folder, 51)


def what_is_stored_makes_the_room_to_say_so(folder: Path) -> None:
    images = opened(folder)
    ids = [put(images) for _ in range(20)]
    images.close()
    images = opened(folder)  # with a log that is empty, and would have to grow
    fill(folder)

    images.free((id_, "stored") for id_ in ids[:5])

    assert not images.dropped()
    assert images.items == 15
    assert names(folder) == set(ids[5:])


def a_start_on_a_full_disk(folder: Path) -> None:
    images = opened(folder)
    for _ in range(50):
        put(images)
    images.close()
    (journal.spool_folder(folder) / "images" / f".{capture().id}").write_bytes(IMAGE)
    fill(folder)

    again = opened(folder)
    accounted(again, folder, 50)
    assert again.items == 50, "the half-written file was room enough"
    again.close()
    fill(folder)
    again = opened(folder)
    assert len(again.due(100)) == again.items >= 50 - 12
    accounted(again, folder, 50)


def a_damaged_database_on_a_full_disk(folder: Path) -> None:
    images = opened(folder)
    ids = {put(images) for _ in range(50)}
    images.close()
    database = journal.spool_folder(folder) / spool.DATABASE
    whole = database.read_bytes()
    database.write_bytes(whole[:8192] + b"x" * 4096 + whole[12288:])
    fill(folder)

    again = opened(folder)
    lost = journal.drops(folder)
    assert again.items == len(again.due(100)) == len(names(folder)) == 50 - sum(lost.values())
    assert again.items > 20
    assert names(folder) < ids


def a_kill_before_a_lost_image_is_written_down(folder: Path) -> None:
    images = opened(folder)
    for _ in range(20):
        put(images)
    assert images._files.free_space()
    images.close()

    again = opened(folder)
    lost = journal.drops(folder)["lost-file"]
    assert lost > 0
    assert again.items == len(names(folder)) == 20 - lost


def nothing_left_to_give_up(folder: Path) -> None:
    images = opened(folder)
    fill(folder)
    try:
        images.put(capture(), IMAGE)
    except OSError as error:
        assert disk.is_full(error, folder)  # noqa: PT017 - what is tested is that it is told and nothing stays
    else:
        raise AssertionError("there was no room")
    assert names(folder) == set()
    (folder / "log").unlink()
    put(images)
    accounted(images, folder, 1)


SCENARIOS: dict[str, Callable[[Path], None]] = {
    each.__name__: each
    for each in (
        images_leave_room_for_the_database,
        others_fill_the_disk,
        what_is_stored_makes_the_room_to_say_so,
        a_start_on_a_full_disk,
        a_damaged_database_on_a_full_disk,
        a_kill_before_a_lost_image_is_written_down,
        nothing_left_to_give_up,
    )
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]](Path(sys.argv[2]))
