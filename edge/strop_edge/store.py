"""The models on a device: files by their hash, a folder per model, and one small file that names the running one.

models/files/{sha256}       every file once: a new head reuses the backbone
models/versions/{name}/     the files of a package; hard links into files/
models/running.json         the running and the previous model; replaced atomically
models/wanted.json          the latest desired model, whether it runs or not
models/tries.json           the model that is being tested, and the number of attempts
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strop_edge import disk, manifest, model, signature, trial
from strop_wire import messages

POINTER, WANTED = "running.json", "wanted.json"


class Corrupt(ValueError):
    """A download differs from what was announced."""


@dataclass(frozen=True, slots=True)
class Running:
    """The desired model at its installation, with its policy, and the one before."""

    current: messages.Desired | None = None
    previous: messages.Desired | None = None


class Store:
    def __init__(self, folder: Path, keys: signature.Keys | None = None) -> None:
        """`keys`: of the models that may be loaded; None for any model."""
        self._keys = keys
        self._folder, self._files, self._versions = folder, folder / "files", folder / "versions"
        self._files.mkdir(parents=True, exist_ok=True)
        self._versions.mkdir(exist_ok=True)
        disk.sweep(folder)

    def running(self) -> Running:
        return running(self._folder)

    def switch(self, running: Running) -> None:
        data = {"current": _dumps(running.current), "previous": _dumps(running.previous)}
        disk.write(self._folder / POINTER, json.dumps(data).encode())

    def want(self, desired: messages.Desired | None) -> None:
        """Store the desired model, so that a restart continues an unfinished change; None for no model."""
        if desired is None:
            (self._folder / WANTED).unlink(missing_ok=True)
        elif desired != self.wanted():  # it comes with every connection
            disk.write(self._folder / WANTED, desired.dumps())

    def wanted(self) -> messages.Desired | None:
        """Return the latest desired model; None if there is none, or it cannot be read."""
        try:
            return messages.Desired.loads((self._folder / WANTED).read_bytes())
        except (OSError, ValueError):
            return None

    def missing(self, desired: messages.Desired) -> dict[str, messages.ModelFile]:
        """Return the files of this model that are missing or damaged, by name."""
        return {name: file for name, file in desired.files.items() if not _is_whole(self._files / file.sha256, file)}

    def partial(self, file: messages.ModelFile) -> Path:
        """Return the path of an unverified download, which may hold the beginning of the file."""
        return self._files / f"{file.sha256}.part"

    def keep(self, file: messages.ModelFile) -> None:
        """Verify and keep a complete download. If its hash differs, delete it and raise Corrupt."""
        path = self.partial(file)
        if not _is_whole(path, file):
            path.unlink(missing_ok=True)
            raise Corrupt("the download does not match its sha256")
        disk.sync(path)
        path.replace(self._files / file.sha256)
        disk.sync(self._files)

    def assemble(self, desired: messages.Desired) -> None:
        """Create the model's folder from its files, which must all be present."""
        folder = self._version(desired)
        folder.mkdir(exist_ok=True)
        for name, file in desired.files.items():
            (folder / name).unlink(missing_ok=True)
            _link(self._files / file.sha256, folder / name)
        disk.sync(folder)

    def test(self, desired: messages.Desired, threads: int, check: Callable[[], None]) -> None:
        """Check the signature, then load and self-test in a child process: see `trial.run`."""
        self._check_signature(desired)
        file = desired.files[messages.MANIFEST]
        trial.run(self._folder, self._version(desired), file, threads, check)

    def load(self, desired: messages.Desired, threads: int) -> model.Model:
        """Load and verify; BadModel when the folder is not exactly what was asked for."""
        folder = self._version(desired)
        self._check_signature(desired)
        if not _is_whole(folder / messages.MANIFEST, desired.files[messages.MANIFEST]):
            raise manifest.BadModel("model.json is missing or altered")
        loaded = model.Model(folder, threads)
        if loaded.version != desired.model:
            raise manifest.BadModel(f"model.json is of version {loaded.version}, expected {desired.model}")
        own = (messages.MANIFEST, messages.SIGNATURE)  # which model.json cannot list
        if {name: file for name, file in desired.files.items() if name not in own} != loaded.manifest.files:
            raise manifest.BadModel("model.json lists other files than `desired`")
        return loaded

    def _check_signature(self, desired: messages.Desired) -> None:
        if self._keys:
            self._keys.check(self._version(desired), desired)

    def prune(self, running: Running) -> None:
        """Delete all that neither the current nor the previous model needs."""
        kept = [desired for desired in (running.current, running.previous) if desired]
        folders = {self._version(desired) for desired in kept}
        files = {self._files / file.sha256 for desired in kept for file in desired.files.values()}
        for folder in set(self._versions.iterdir()) - folders:
            shutil.rmtree(folder)
        for file in set(self._files.iterdir()) - files:
            file.unlink()

    def _version(self, desired: messages.Desired) -> Path:
        # Named by content: a version is a text from outside, and must not become a path.
        return self._versions / desired.files[messages.MANIFEST].sha256[:16]


def running(folder: Path) -> Running:
    """Return the running model of a folder of models; empty if there was none, or the pointer is unreadable."""
    try:
        data = json.loads((folder / POINTER).read_bytes())
        return Running(*(_loads(data[key]) for key in ("current", "previous")))
    except (OSError, KeyError, TypeError, ValueError):
        return Running()


def _loads(data: dict[str, Any] | None) -> messages.Desired | None:
    return messages.Desired.loads(json.dumps(data).encode()) if data else None


def _dumps(desired: messages.Desired | None) -> Any:
    return json.loads(desired.dumps()) if desired else None


def _is_whole(path: Path, file: messages.ModelFile) -> bool:
    return path.exists() and path.stat().st_size == file.size and disk.has(path, file.sha256)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
