"""The models a device holds: files by their content, a folder per model, and one small file that says which one runs.

    models/files/{sha256}       every file once: a new head reuses the backbone that is here
    models/versions/{name}/     model.json, head.onnx, backbone.onnx; hard links into files/
    models/running.json         what runs and what ran before; replaced atomically, so a kill leaves one or the other
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from strop_edge import disk, model
from strop_wire import fields, messages


@dataclass(frozen=True, slots=True)
class Running:
    """`desired` is what the cloud asked for when it was installed, with the policy that goes with it."""

    current: messages.Desired | None = None
    previous: messages.Desired | None = None


class Store:
    def __init__(self, folder: Path) -> None:
        self._files, self._versions, self._pointer = folder / "files", folder / "versions", folder / "running.json"
        self._files.mkdir(parents=True, exist_ok=True)
        self._versions.mkdir(exist_ok=True)

    def running(self) -> Running:
        """What to run; empty when nothing was ever installed, or the pointer is unreadable."""
        try:
            data = fields.load(self._pointer.read_bytes())
            return Running(*(messages.Desired.loads(json.dumps(data[key]).encode()) if data.get(key) else None for key in ("current", "previous")))
        except (OSError, fields.Malformed):
            return Running()
