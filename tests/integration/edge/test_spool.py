"""The spool of a process that is killed, and one of a device that was offline for long."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strop_edge import journal, spool
from tests.unit.edge.factories import capture

WRITER = """
import sys
from pathlib import Path
from strop_edge import journal, spool
from tests.unit.edge.factories import capture

images = spool.Spool(journal.spool_folder(Path(sys.argv[1])), 40_000)
while True:
    offered = capture()
    images.put(offered, offered.id.encode() * 100)
    print(offered.id, flush=True)
"""


@pytest.mark.parametrize("after", [1, 7, 30])
def test_a_writer_killed_at_any_point_loses_nothing_it_had_kept(tmp_path: Path, after: int) -> None:
    """Every id that was printed had been kept; each must be here whole, or counted as displaced by younger ones."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    kept = [writer.stdout.readline().strip() for _ in range(after)]
    time.sleep(0.001 * after)  # somewhere within a later put
    writer.send_signal(signal.SIGKILL)
    kept += writer.communicate()[0].split()

    images = spool.Spool(journal.spool_folder(tmp_path), 40_000)
    fates = journal.fates(tmp_path)
    waiting = [item.id for item in images.due(1000)]

    assert set(kept) <= set(fates)
    assert len(fates) - len(kept) in {0, 1}, "at most the one that was kept but not yet printed"
    assert all(images.read(id_) == id_.encode() * 100 for id_ in waiting)
    assert fates.keys() - set(waiting) == {id_ for id_, fate in fates.items() if fate == "dropped:full"}
    assert journal.drops(tmp_path).get("full", 0) == len(fates) - len(waiting)
    assert "lost-file" not in journal.drops(tmp_path)
    assert {path.name for path in (journal.spool_folder(tmp_path) / "images").iterdir()} == set(waiting)
    images.close()


def test_a_large_spool_opens_fast(tmp_path: Path) -> None:
    count = 5_000
    folder = journal.spool_folder(tmp_path)
    images = spool.Spool(folder, 10**9)
    images.put(capture(), b"x")
    message = images.due(1)[0].message
    with images._rows.transaction():
        rows = [(capture().id, message) for _ in range(count - 1)]
        images._rows.change("INSERT INTO captures (id, audit, size, message) VALUES (?, 0, 1, ?)", rows)
    for id_, _ in rows:
        (folder / "images" / id_).write_bytes(b"x")
    images.close()

    start = time.monotonic()
    opened = spool.Spool(folder, 10**9)
    seconds = time.monotonic() - start

    assert opened.items == count
    assert seconds < 2
    opened.close()
