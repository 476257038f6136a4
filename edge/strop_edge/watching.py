"""A source that watches a folder: its images as they appear or change, without end, also after errors of the folder.

A complete scan reads the time and size of every file. With thousands of files that takes long; the pause after it limits it to
`SHARE` of one core. Quick scans in between cover the files and folders that changed last, and new files in them.
"""

import time
from collections import deque
from collections.abc import Callable
from heapq import nlargest
from itertools import islice
from pathlib import Path

from strop_edge import folder_scan

SCAN_EVERY = 0.5
"""Seconds between two scans; a file is read once two scans see it unchanged."""
SHARE = 0.015
"""Of one core, for complete scans."""
RECENT = 100
"""Files, and folders, that every scan covers: those that changed last."""
GONE = 50_000
"""Files that have disappeared and are remembered: when a share is mounted again, its old images are not new."""
RETRIES = 100
"""Files that cannot be read and are tried again after a complete scan."""


class Watch(folder_scan.Source):
    """Yields images that appear or change after the start, also before the first `next`. `read` returns a file's bytes."""

    def __init__(self, root: Path, read: Callable[[Path], bytes]) -> None:
        super().__init__()
        self.blind = False  # the folder itself cannot be scanned
        self._root, self._read = str(root), read
        self._taken: dict[str, folder_scan.Stamp] | None = None  # None until the first scan succeeds
        self._pending: dict[str, folder_scan.Stamp] = {}  # new or changed at the last scan
        self._unread: dict[str, folder_scan.Stamp] = {}  # settled, and cannot be read
        self._ready: deque[tuple[str, folder_scan.Stamp]] = deque()
        self._known = folder_scan.Scan()
        self._recent_files: list[str] = []
        self._recent_folders: list[str] = []
        self._next_scan = self._next_complete = 0.0
        self._scan()

    def __next__(self) -> bytes | None:
        if not self._ready and time.monotonic() >= self._next_scan:
            self._scan()
        while self._ready:
            if (data := self._take(*self._ready.popleft())) is not None:
                return data
        return None

    def _take(self, file: str, stamp: folder_scan.Stamp) -> bytes | None:
        assert self._taken is not None
        try:
            data = self._read(Path(file))
        except FileNotFoundError:
            return None
        except OSError as error:
            self._unread[file] = stamp
            self.failures.add(file, error)
            return None
        self._taken.pop(file, None)
        self._taken[file] = stamp  # the youngest last
        return data

    def _scan(self) -> None:
        if time.monotonic() >= self._next_complete:
            began = time.thread_time()
            self._scan_all()
            self._next_complete = time.monotonic() + (time.thread_time() - began) / SHARE
        else:
            self._rescan()
        self._next_scan = time.monotonic() + SCAN_EVERY

    def _scan_all(self) -> None:
        self._known = found = folder_scan.scan(self._root)
        self._recent_files = nlargest(RECENT, found.files, key=found.files.__getitem__)
        self._recent_folders = nlargest(RECENT, found.folders, key=found.folders.__getitem__)
        self.failures.scanned(found, self._root, self._unread)
        if self._root in found.failed:
            self.blind = True
            return
        self.blind = False
        if self._taken is None:
            self._taken = dict(found.files)
        self._pending = {file: stamp for file, stamp in self._pending.items() if file in found.files}
        self._sort_out(found)
        self._forget(found)
        self._retry(found)

    def _rescan(self) -> None:
        found = folder_scan.rescan(self._known, [*self._pending, *self._recent_files], self._recent_folders)
        changed = [file for file, stamp in found.files.items() if self._known.files.get(file) != stamp]
        self._recent_files = list(dict.fromkeys([*changed, *self._recent_files]))[:RECENT]
        self._recent_folders = list(dict.fromkeys([*found.folders, *self._recent_folders]))[:RECENT]
        self._known.files |= found.files
        self._known.folders |= found.folders
        self._sort_out(found)

    def _sort_out(self, found: folder_scan.Scan) -> None:
        """Queue files that are new and unchanged since the last scan."""
        if self._taken is None:
            return
        settled = []
        for file, stamp in found.files.items():
            if stamp in (self._taken.get(file), self._unread.get(file)):
                self._pending.pop(file, None)
            elif self._pending.get(file) != stamp:
                self._pending[file] = stamp
            else:
                settled.append(file)
        for file in sorted(settled, key=lambda file: (self._pending[file], file)):
            self._unread.pop(file, None)
            self._ready.append((file, self._pending.pop(file)))

    def _forget(self, found: folder_scan.Scan) -> None:
        """Forget the oldest of the files that have disappeared, if they are many; what cannot be scanned has not disappeared."""
        if self._taken and len(self._taken) - len(found.files) > GONE:
            below = tuple(f"{path}/" for path in found.failed)
            gone = [file for file in self._taken if file not in found.files and not file.startswith(below)]
            for file in gone[:-GONE]:
                del self._taken[file]

    def _retry(self, found: folder_scan.Scan) -> None:
        for file in list(islice(self._unread, RETRIES)):
            stamp = self._unread.pop(file)
            if found.files.get(file) == stamp:
                self._ready.append((file, stamp))
