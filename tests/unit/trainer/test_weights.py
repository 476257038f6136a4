import os
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest

from trainer import weights


class Storage:
    """Pickles as a reference to a storage, as PyTorch writes it."""

    def __init__(self, kind, key, count):
        self.pid = ("storage", kind, key, "cpu", count, None)


class Global:
    """Pickles as a call of a function that need not exist here."""

    def __init__(self, module, name, *args):
        self.target, self.args = (module, name), args


class Pickler(pickle._Pickler):
    """Writes names of PyTorch without having PyTorch."""

    write: Callable[[bytes], object]

    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, Storage) else None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(b"c" + "\n".join(obj.target).encode() + b"\n")
            if obj.args:
                self.save(obj.args)
                self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)  # type: ignore[misc]  # it is private


def checkpoint(path, state, storages, magic=weights._MAGIC):
    with path.open("wb") as file:
        for part in (magic, 1001, {"little_endian": True}, state, list(storages)):
            Pickler(file, 2).dump(part)
        for numbers in storages.values():
            file.write(struct.pack("<q", len(numbers)) + numbers.tobytes())
    return path


def tensor(key, kind, count, offset, shape, strides):
    storage = Storage(Global("torch", kind), key, count)
    return Global("torch._utils", "_rebuild_tensor_v2", storage, offset, shape, strides, False, OrderedDict())


def test_tensors_come_out_in_their_shape_whatever_the_order_of_their_numbers(tmp_path):
    storages = {"7": np.arange(6, dtype="<f4"), "5": np.array([42], "<i8")}
    state = OrderedDict(
        rows=tensor("7", "FloatStorage", 6, 0, (2, 3), (3, 1)),
        columns=tensor("7", "FloatStorage", 6, 0, (2, 3), (1, 2)),
        tail=tensor("7", "FloatStorage", 6, 4, (2,), (1,)),
        count=tensor("5", "LongStorage", 1, 0, (), ()),
    )

    found = weights.read(checkpoint(tmp_path / "a.pth", state, storages))

    assert found["rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["columns"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert found["tail"].tolist() == [4, 5]
    assert found["count"] == 42


def test_a_checkpoint_cannot_run_code(tmp_path):
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(os.getcwd))

    with pytest.raises(pickle.UnpicklingError, match="no business with"):
        weights.read(path)


def test_another_format_is_refused(tmp_path):
    with pytest.raises(pickle.UnpicklingError, match="known format"):
        weights.read(checkpoint(tmp_path / "b.pth", OrderedDict(), {}, magic=1))
