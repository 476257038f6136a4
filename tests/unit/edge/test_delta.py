import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from strop_edge import delta

VALUES = np.linspace(-1, 1, 15, dtype=np.float32).reshape(3, 5)
BASE = b"begin" + VALUES.tobytes() + b"end"
SCALES = np.array([0.5, 0, 2], np.float32)
STEPS = np.array([[-7, 7, 0, 1, 2], [1, 2, 3, 4, 5], [0, 0, 0, 0, -1]], np.int8)
PIECES: list[list[Any]] = [["add", 3], ["tune", 5, 3, 5], ["copy", 65, 3]]
REST = b"new" + SCALES.tobytes() + delta.packed(STEPS)
SIZE = 66


def test_pieces_of_the_base_new_bytes_and_tuned_values_follow_each_other() -> None:
    found = delta.rebuild(BASE, delta.pack(PIECES, REST), SIZE)

    wanted = VALUES + SCALES[:, None] * STEPS.astype(np.float32)
    assert found == b"new" + wanted.astype("<f4").tobytes() + b"end"


def floats(count: int) -> st.SearchStrategy[NDArray[np.float32]]:
    return st.lists(st.floats(-8, 8, width=32), min_size=count, max_size=count).map(lambda v: np.array(v, np.float32))


@given(st.data(), st.integers(1, 4), st.integers(1, 7))
def test_a_rebuilt_file_has_the_values_that_the_trainer_rounded_to(
    data: st.DataObject, rows: int, columns: int
) -> None:
    values, scales = data.draw(floats(rows * columns)), data.draw(floats(rows))
    drawn = data.draw(st.lists(st.integers(-7, 7), min_size=rows * columns, max_size=rows * columns))
    steps = np.array(drawn, np.int8).reshape(rows, columns)
    rest = scales.tobytes() + delta.packed(steps)

    found = delta.rebuild(values.tobytes(), delta.pack([["tune", 0, rows, columns]], rest), values.nbytes)

    assert found == delta.tuned(values.reshape(rows, columns), scales, steps).tobytes()


def raw(described: bytes) -> bytes:
    return delta.MAGIC + zlib.compress(struct.pack("<I", len(described)) + described)


@pytest.mark.parametrize(
    ("data", "size", "reason"),
    [
        (b"", SIZE, "does not begin"),
        (b"PK\3\4 something else", SIZE, "does not begin"),
        (delta.MAGIC + b"no stream", SIZE, "header"),
        (delta.pack(PIECES, REST)[:-9], SIZE, "cut off"),
        (delta.pack([["add", 3]], bytes(9_000_000)), 3, "much larger"),
        (delta.pack(PIECES, REST), SIZE + 1, "66 bytes, expected 67"),
        (delta.pack(PIECES, REST + b"more"), SIZE, "4 bytes are left over"),
        (delta.pack(PIECES, REST[:-1]), SIZE, "outside of"),
        (delta.pack([["copy", 66, 3]], b""), 3, "3 bytes at 66 are outside of 68"),
        (delta.pack([["copy", -1, 3]], b""), 3, "whole numbers"),
        (delta.pack([["copy", 0.0, 3]], b""), 3, "whole numbers"),
        (delta.pack([["copy", 3]], b""), 3, "unknown piece"),
        (delta.pack([["move", 0, 3]], b""), 3, "unknown piece"),
        (raw(b"[1, 2]"), 3, "delta: "),
        (raw(b"{"), 3, "delta: "),
        (raw(b"[" * 100_000), 3, "delta: "),
    ],
)
def test_a_bad_delta_is_refused_with_a_reason(data: bytes, size: int, reason: str) -> None:
    with pytest.raises(delta.BadDelta, match=reason):
        delta.rebuild(BASE, data, size)
