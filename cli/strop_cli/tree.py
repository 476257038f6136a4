"""Read a folder of a user's files: each entry is used or reported, and none stops the others."""

import errno
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from strop_contracts import errors
from strop_wire import hidden, messages

TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
"""Content types of images by the end of their names."""
LONGEST_KEY = 1024
"""Bytes that S3 allows for a key."""

_NAMED = 10  # files left out for the same reason that are named

Identities = frozenset[tuple[int, int]]
"""Device and inode of each folder on the way to an entry."""


@dataclass(frozen=True)
class Tree:
    """The contents of a folder, by path relative to it, with slashes between its parts."""

    files: dict[str, Path] = field(default_factory=dict)  # regular files of a wanted type
    left_out: dict[str, str] = field(default_factory=dict)  # no images, and why
    problems: dict[str, str] = field(default_factory=dict)  # what cannot be used, and why

    def keys(self, prefix: str) -> dict[str, Path]:
        """Return the files by the key that each will have in S3. One whose key is too long becomes a problem."""
        found = {}
        for path, file in self.files.items():
            if len((key := f"{prefix}{path}").encode()) <= LONGEST_KEY:
                found[key] = file
            else:
                self.problems[shown(path)] = f"its key in S3 would be longer than {LONGEST_KEY} bytes"
        return found

    def report(self) -> list[str]:
        """Return a line for each problem, and one for each reason for which files were left out."""
        return [*(f"cannot use {path}: {why}" for path, why in sorted(self.problems.items())), *left_out(self.left_out)]


def left_out(reasons: Mapping[str, str]) -> list[str]:
    """Return a line for each reason: the number of paths that were left out for it, and the first of them."""
    found: dict[str, list[str]] = {}
    for path in sorted(reasons):
        found.setdefault(f"left out, {reasons[path]}", []).append(path)
    return [counted(what, paths) for what, paths in sorted(found.items())]


def counted(what: str, paths: Sequence[str], total: int | None = None) -> str:
    """Return one line with the number of paths and the first of them; `total` if `paths` are not all."""
    total, first = total or len(paths), paths[:_NAMED]
    return f"{total} {what}: {', '.join(map(shown, first))}{' …' if total > len(first) else ''}"


def shown(name: str) -> str:
    """Return a name as one line that every terminal can print: bytes that are not UTF-8 come as escapes."""
    text = os.fsencode(name).decode(errors="backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def walk(folder: Path, types: Collection[str] = TYPES.keys()) -> Tree:
    """Read a folder at any depth, links followed, for files whose names end in one of `types`.

    Raises Refused if the folder itself cannot be read.
    """
    return _Walk(types).run(folder)


class _Walk:
    """One walk. Folders wait on a list, so that their depth is limited by nothing but the file system."""

    def __init__(self, types: Collection[str]) -> None:
        self._types = types
        self._tree = Tree()
        self._like_images: list[str] = []  # folders with the name of an image
        self._waiting: list[tuple[str, list[os.DirEntry[str]], Identities]] = []

    def run(self, folder: Path) -> Tree:
        try:
            self._enter("", folder, folder.stat(), frozenset())
        except OSError as error:
            raise errors.Refused(f"{shown(str(folder))} cannot be read: {error.strerror}") from error
        while self._waiting:
            above, entries, inside = self._waiting.pop()
            for entry in entries:
                self._add(f"{above}{entry.name}", entry, inside)
        for path in self._like_images:
            if not any(file.startswith(f"{path}/") for file in self._tree.files):
                self._tree.problems[shown(path)] = "a folder without images"
        files = self._tree.files
        return Tree({path: files[path] for path in sorted(files)}, self._tree.left_out, self._tree.problems)

    def _enter(self, path: str, folder: os.PathLike[str], about: os.stat_result, inside: Identities) -> None:
        """Put a folder on the list of those to be read."""
        identity = (about.st_dev, about.st_ino)
        if identity in inside:
            raise OSError(errno.ELOOP, "a link to a folder that it lies in")
        with os.scandir(folder) as entries:
            self._waiting.append((path, list(entries), inside | {identity}))

    def _add(self, path: str, entry: os.DirEntry[str], inside: Identities) -> None:
        """Add an entry, or the reason why it is not used."""
        wanted = image = Path(entry.name).suffix.lower() in self._types
        if hidden.part(entry.name):
            self._tree.left_out[shown(path)] = hidden.REASON
            return
        try:
            wanted = image or entry.is_dir(follow_symlinks=False)  # known without a call that may fail
            about = entry.stat()
            if stat.S_ISDIR(about.st_mode):
                self._like_images += [path] if image else []
                wanted = True  # for what may lie in it
                _check_name(entry.name)
                self._enter(f"{path}/", entry, about, inside)
            elif image:
                _check_name(entry.name)
                _check_file(entry, about)
                self._tree.files[path] = Path(entry.path)
            else:
                self._tree.left_out[shown(path)] = hidden.NO_IMAGE
        except OSError as error:
            aside = self._tree.problems if wanted else self._tree.left_out
            dangling = error.errno == errno.ENOENT and entry.is_symlink()
            aside[shown(path)] = "a link that leads nowhere" if dangling else str(error.strerror)


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise OSError(errno.EILSEQ, "its name is not UTF-8, which a key in S3 must be") from None


def _check_file(entry: os.DirEntry[str], about: os.stat_result) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if not os.access(entry, os.R_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    if about.st_size > messages.MAX_IMAGE_BYTES:
        raise OSError(errno.EFBIG, f"{about.st_size} bytes are over the limit of {messages.MAX_IMAGE_BYTES}")
