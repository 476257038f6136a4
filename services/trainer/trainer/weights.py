"""Reading a PyTorch checkpoint without PyTorch: the tensors of a `.pth` file as numpy arrays.

The file (PyTorch's format before 1.6) is five pickles (magic number, protocol, sizes, the tensors' shapes, the keys of
the storages in order of the file), then each storage as an 8-byte count and its numbers. A pickle can run anything, so
the unpickler here accepts only the four names that such a file needs.
"""

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A view of a storage; offset and strides count numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch", "FloatStorage"): "FloatStorage",
    ("torch", "LongStorage"): "LongStorage",
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _ALLOWED[module, name] if (module, name) in _ALLOWED else _refuse(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        _, kind, key, _, _, _ = pid
        return _Storage(key, _DTYPES[kind])


def _refuse(name: str) -> NoReturn:
    raise pickle.UnpicklingError(f"a checkpoint has no business with {name}")


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Return the checkpoint's tensors by name; UnpicklingError when the file is of another kind."""
    with path.open("rb") as file:
        magic, _protocol, _sizes = (_Unpickler(file).load() for _ in range(3))
        if magic != _MAGIC:
            raise pickle.UnpicklingError(f"{path.name} is not a checkpoint of the known format")
        tensors: dict[str, _Tensor] = _Unpickler(file).load()
        keys: list[str] = _Unpickler(file).load()
        dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
        storages = {key: _numbers(file, dtypes[key]) for key in keys}
    return {name: _array(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}


def _numbers(file: BinaryIO, dtype: np.dtype[Any]) -> NDArray[Any]:
    count = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(count * dtype.itemsize), dtype)


def _array(tensor: _Tensor, storage: NDArray[Any]) -> NDArray[Any]:
    strides = tuple(step * storage.itemsize for step in tensor.strides)
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides, writeable=False)
    return np.ascontiguousarray(view)
