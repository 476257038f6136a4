"""The state of a device that was offline for weeks: a model that runs, and a spool full of captures."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from strop_edge import journal, spool, store
from strop_wire import ids, messages
from tests.unit.edge import factories, packages

ALL = messages.Policy(version=7, audit_rate=1.0)
AUDITS = 20
"""Every so many captures of a spool there is an audit."""


def install(state: Path) -> None:
    """Let the device run a model that keeps whatever it is shown."""
    models = store.Store(state / "models")
    package = packages.package("v1")
    desired = package.desired(ids.new_id(), ALL)
    for name, file in desired.files.items():
        models.partial(file).write_bytes(package.contents[name])
        models.keep(file)
    models.assemble(desired)
    models.switch(store.Running(desired))


def fill(state: Path, images: Iterable[bytes], content_type: str) -> int:
    """Fill the spool with uncertain captures and audits; returns its bytes. Not by the agent itself: it syncs each to the disk."""
    folder = journal.spool_folder(state)
    kept = spool.Spool(folder, 10**9)
    rows, total = [], 0
    for number, data in enumerate(images):
        about = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "content_type": content_type}
        capture = factories.capture(**about, audit=number % AUDITS == 0)
        (folder / "images" / capture.id).write_bytes(data)
        rows.append((capture.id, capture.audit, len(data), capture.dumps()))
        total += len(data)
    with kept._rows.transaction():
        kept._rows.change("INSERT INTO captures (id, audit, size, message) VALUES (?, ?, ?, ?)", rows)
    kept.close()
    return total


def numbered(image: bytes, count: int) -> Iterable[bytes]:
    """As many files as that, each with another hash: what follows the end of an image does not matter."""
    return (image + number.to_bytes(4, "big") for number in range(count))
