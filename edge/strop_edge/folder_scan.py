"""Scan a folder of images: its files, and the errors that hide others.

Nothing here depends on notifications of the operating system: shares (NFS, SMB) send none for the changes of other machines.
"""

import logging
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")

log = logging.getLogger(__name__)

_stat = os.stat  # without a Path, which takes as long as the call itself

Stamp = tuple[int, int]  # time of the last change in ns, size


@dataclass(slots=True)
class Scan:
    """The contents of a folder, by path. Links to files count, links to folders are not followed."""

    files: dict[str, Stamp] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)  # time of the last change in ns, taken before listing
    failed: dict[str, OSError] = field(default_factory=dict)


class Failures:
    """What cannot be scanned or read. Each failure is reported when it begins, and again after 10, 100, … failed scans in a row."""

    def __init__(self) -> None:
        self.scans = 0  # that failed at least in part, in a row
        self._failing: set[str] = set()
        self._unreported: dict[str, OSError] = {}

    def add(self, path: str, error: OSError) -> None:
        if path not in self._failing:
            self._failing.add(path)
            self._unreported[path] = error

    def scanned(self, found: "Scan", root: str, unread: Collection[str] = ()) -> None:
        """Count a complete scan; `unread` are files that exist and cannot be read."""
        failing = found.failed.keys() | set(unread)
        if not failing and self.scans:
            log.info("%s can be scanned again, after %d scans that failed", root, self.scans)
        self.scans = self.scans + 1 if failing else 0
        self._failing &= failing
        if self.scans >= 10 and str(self.scans).rstrip("0") == "1":
            self._unreported |= found.failed
        for path, error in found.failed.items():
            self.add(path, error)

    def report(self) -> str | None:
        """Return one line on the failures since the last call; None if there are none."""
        if not self._unreported:
            return None
        (path, error), *more = self._unreported.items()
        self._unreported = {}
        text = f"cannot read {path}: {error.strerror or error}" + (f" (and {len(more)} more)" if more else "")
        return f"{text}; trying again" if self.scans < 10 else f"{text}; {self.scans} scans have failed"


class Source(Iterator[bytes | None]):
    """A source that continues after a failure, and keeps it for the report."""

    def __init__(self) -> None:
        self.failures = Failures()


def scan(root: str) -> Scan:
    """Scan a folder at any depth. What cannot be scanned is in `failed`."""
    found = Scan()
    _walk(root, found, {})
    if root not in found.folders and root not in found.failed:
        found.failed[root] = FileNotFoundError("no such folder")
    return found


def rescan(known: Scan, files: list[str], folders: list[str]) -> Scan:
    """Scan some files, and those of the folders that have changed, for new files; only `scan` reports failures."""
    found = Scan()
    for file in files:
        try:
            _add_file(file, found)
        except OSError:
            continue
    for folder in folders:
        try:
            changed = _stat(folder).st_mtime_ns != known.folders.get(folder)
        except OSError:
            continue
        if changed:
            _walk(folder, found, known.folders, known.files)
    return found


def _walk(root: str, found: Scan, known_folders: dict[str, int], known_files: dict[str, Stamp] | None = None) -> None:
    """Add a folder and the folders below it; known folders are not entered, known files are skipped."""
    todo = [root]
    while todo:
        folder = todo.pop()
        try:
            changed = _stat(folder).st_mtime_ns
            for entry in _entries(folder):
                try:
                    if entry.is_dir(follow_symlinks=False):
                        todo += [entry.path] if entry.path not in known_folders else []
                    elif entry.name.lower().endswith(SUFFIXES) and not (known_files and entry.path in known_files):
                        _add_file(entry.path, found)
                except FileNotFoundError:  # it has just gone, or is a link that leads nowhere
                    continue
                except OSError as error:
                    found.failed[entry.path] = error
            found.folders[folder] = changed
        except OSError as error:
            if folder == root or not isinstance(error, FileNotFoundError):
                found.failed[folder] = error


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from entries


def _add_file(path: str, found: Scan) -> None:
    status = _stat(path)
    if stat.S_ISREG(status.st_mode):
        found.files[path] = (status.st_mtime_ns, status.st_size)
