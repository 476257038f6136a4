"""A device that was offline for longer than the broker remembers it, and is switched on again with a full spool."""

import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from strop_edge import journal, spool
from tests import brokers
from tests.integration.edge import web as webs
from tests.integration.edge.cloud import DEVICE, PROJECT, Cloud
from tests.soak import returning
from tests.unit.edge import packages

SPOOLED = 26_000
SHOWN = 30
"""Images that the camera shows after the start."""
START = 3.0
"""Seconds from the start of the process to the first image that is classified and kept."""
OLD = packages.encoded(Image.new("RGB", (8, 8)), "PNG")


def count(state: Path) -> int:
    with closing(sqlite3.connect(journal.spool_folder(state) / spool.DATABASE)) as db:
        return int(db.execute("SELECT max(seq) FROM captures").fetchone()[0])


@pytest.mark.timeout(1500)
def test_it_classifies_at_once_uploads_what_fits_and_counts_every_drop(tmp_path: Path) -> None:
    state, images = tmp_path / "device", tmp_path / "images"
    images.mkdir()
    for number in range(SHOWN):
        (images / f"{number:02}.jpg").write_bytes(packages.RED)
    returning.install(state)
    limit = returning.fill(state, returning.numbered(OLD, SPOOLED), "image/png")
    broker = brokers.Broker(tmp_path / "broker")  # not there yet; and when it comes, it knows no session
    own = ["--project", PROJECT, "--device", DEVICE, "--state", str(state), "--spool-bytes", str(limit)]
    command = [sys.executable, "-m", "strop_edge", "run", "--source", str(images), "--broker", broker.url, *own]

    with (tmp_path / "agent.log").open("wb") as log, subprocess.Popen(command, stderr=log) as agent:
        try:
            began = time.monotonic()
            while count(state) == SPOOLED:
                assert agent.poll() is None
                time.sleep(0.01)
            seconds = time.monotonic() - began
            while count(state) < SPOOLED + SHOWN:
                time.sleep(0.05)

            broker.start()
            with webs.serving() as web:
                cloud = Cloud(broker.url, web)
                cloud.start()
                assert agent.wait(1200) == 0  # it ends when its source has ended and its spool is empty
                cloud.wait(lambda: cloud.states[-1].classified == SHOWN)  # the broker has it, and passes it on
                cloud.stop()
        finally:
            agent.kill()
            broker.kill()
    print(f"{SPOOLED} spooled: first image after {seconds:.2f} s; all sent after {time.monotonic() - began:.0f} s")

    fates, drops = Counter(journal.fates(state).values()), journal.drops(state)
    assert set(fates) == {"stored", "dropped:full"}
    assert sum(fates.values()) == SPOOLED + SHOWN
    assert len(web.objects) == fates["stored"] >= SPOOLED * 0.9
    assert drops == {"full": fates["dropped:full"]}
    assert cloud.states[-1].dropped == {"full": fates["dropped:full"]}
    # What is worth least went first: no audit as long as there was anything else.
    dropped = [capture for capture, fate in journal.fates(state).items() if fate == "dropped:full"]
    announced = {capture.id for capture in cloud.captures}
    assert not announced.intersection(dropped)
    assert (
        sum(capture.audit for capture in {c.id: c for c in cloud.captures}.values())
        == SPOOLED / returning.AUDITS + SHOWN
    )
    assert seconds < START
