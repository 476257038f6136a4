"""A spool in the state folder of a test, and what it is filled with."""

from pathlib import Path

from strop_edge import journal, spool
from tests.unit.edge.factories import capture

IMAGE = b"x" * 100


def open_spool(state: Path, limit: int = 1000, answer_after: float = 30.0) -> spool.Spool:
    return spool.Spool(journal.spool_folder(state), limit, answer_after)


def put(images: spool.Spool, data: bytes = IMAGE, *, audit: bool = False) -> str:
    offered = capture(audit=audit, size=len(data))
    assert images.put(offered, data)
    return offered.id


def files(state: Path) -> set[str]:
    return {path.name for path in (journal.spool_folder(state) / "images").iterdir()}
