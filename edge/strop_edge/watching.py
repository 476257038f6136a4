"""A folder that is watched: its images as they appear or change, without end, whatever happens to the folder.

A complete look takes the time and size of every file. With thousands of files that takes long, so the pause after it is as long
as makes it `SHARE` of one core; between them are quick looks, at the files and folders that changed last and at new files in them.
"""

import time
from collections import deque
from collections.abc import Callable
from heapq import nlargest
from itertools import islice
from pathlib import Path

from strop_edge import look

LOOK_EVERY = 0.5
"""Seconds between two looks; a file is taken when it looks the same twice."""
SHARE = 0.015
"""Of one core, for complete looks."""
RECENT = 100
"""So many of the files and of the folders, those that changed last, are looked at every time."""
GONE = 50_000
"""So many files that are not there any more are remembered: when a share comes back, its old images are not new."""
RETRIES = 100
"""So many files that cannot be read are tried again after a complete look."""


class Watch(look.Images):
    """The images that appear or change from the start on, also before the first `next`. `read` returns a file's bytes."""

    def __init__(self, root: Path, read: Callable[[Path], bytes]) -> None:
        super().__init__()
        self.blind = False  # not even the folder itself could be looked at
        self._root, self._read = str(root), read
        self._taken: dict[str, look.Stamp] | None = None  # None until the folder could be looked at once
        self._pending: dict[str, look.Stamp] = {}  # new or changed at the last look
        self._unread: dict[str, look.Stamp] = {}  # settled, and cannot be read
        self._ready: deque[tuple[str, look.Stamp]] = deque()
        self._known = look.Found()
        self._recent_files: list[str] = []
        self._recent_folders: list[str] = []
        self._next_look = self._next_walk = 0.0
        self._look()

    def __next__(self) -> bytes | None:
        if not self._ready and time.monotonic() >= self._next_look:
            self._look()
        while self._ready:
            if (data := self._take(*self._ready.popleft())) is not None:
                return data
        return None

    def _take(self, file: str, stamp: look.Stamp) -> bytes | None:
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

    def _look(self) -> None:
        if time.monotonic() >= self._next_walk:
            began = time.thread_time()
            self._look_at_all()
            self._next_walk = time.monotonic() + (time.thread_time() - began) / SHARE
        else:
            self._glance()
        self._next_look = time.monotonic() + LOOK_EVERY

    def _look_at_all(self) -> None:
        self._known = found = look.walk(self._root)
        self._recent_files = nlargest(RECENT, found.files, key=found.files.__getitem__)
        self._recent_folders = nlargest(RECENT, found.folders, key=found.folders.__getitem__)
        self.failures.looked(found, self._root, self._unread)
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

    def _glance(self) -> None:
        found = look.glance(self._known, [*self._pending, *self._recent_files], self._recent_folders)
        changed = [file for file, stamp in found.files.items() if self._known.files.get(file) != stamp]
        self._recent_files = list(dict.fromkeys([*changed, *self._recent_files]))[:RECENT]
        self._recent_folders = list(dict.fromkeys([*found.folders, *self._recent_folders]))[:RECENT]
        self._known.files |= found.files
        self._known.folders |= found.folders
        self._sort_out(found)

    def _sort_out(self, found: look.Found) -> None:
        """Make ready what is new and looks the same as at the last look."""
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

    def _forget(self, found: look.Found) -> None:
        """Forget the oldest of the files that have gone, when they are many; what could not be looked at has not gone."""
        if self._taken and len(self._taken) - len(found.files) > GONE:
            below = tuple(f"{path}/" for path in found.failed)
            gone = [file for file in self._taken if file not in found.files and not file.startswith(below)]
            for file in gone[:-GONE]:
                del self._taken[file]

    def _retry(self, found: look.Found) -> None:
        for file in list(islice(self._unread, RETRIES)):
            stamp = self._unread.pop(file)
            if found.files.get(file) == stamp:
                self._ready.append((file, stamp))
