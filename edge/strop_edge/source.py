"""Where images come from. A source is any iterator of bytes; None means that there is nothing at the moment."""

from pathlib import Path

from strop_edge import look, watching
from strop_wire import messages


def folder(path: Path) -> look.Images:
    """Every image below a folder once, sorted by name."""
    return _Once(path)


def watch(path: Path) -> look.Images:
    """The images that appear or change from now on, without end: also those that do before anybody asks for the first."""
    return watching.Watch(path, _read)


class _Once(look.Images):
    def __init__(self, path: Path) -> None:
        super().__init__()
        found = look.walk(str(path))
        self.failures.looked(found, str(path))
        self._files = iter(sorted(map(Path, found.files)))

    def __next__(self) -> bytes:
        for file in self._files:
            try:
                return _read(file)
            except FileNotFoundError:
                continue
            except OSError as error:
                self.failures.add(str(file), error)
        raise StopIteration


class FromFile(bytes):
    """The bytes of an image, and the file that they came from, for the error when they are not one."""

    file: Path


def _read(file: Path) -> FromFile:
    """Read not more than what is too large anyway: the decoder refuses a giant by that one byte. Raises OSError."""
    with file.open("rb") as opened:
        data = FromFile(opened.read(messages.MAX_IMAGE_BYTES + 1))
    data.file = file
    return data
