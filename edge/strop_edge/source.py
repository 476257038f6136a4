"""Sources of images. A source is any iterator of bytes; None means that there is no image at the moment."""

from pathlib import Path

from strop_edge import folder_scan, watching
from strop_wire import messages


def folder(path: Path) -> folder_scan.Source:
    """Yield every image below a folder once, sorted by name."""
    return _Once(path)


def watch(path: Path) -> folder_scan.Source:
    """Yield images that appear or change from now on, without end; also those before the first `next`."""
    return watching.Watch(path, _read)


class _Once(folder_scan.Source):
    def __init__(self, path: Path) -> None:
        super().__init__()
        found = folder_scan.scan(str(path))
        self.failures.scanned(found, str(path))
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
    """The bytes of an image, and its file, for the error if they are no image."""

    file: Path


def _read(file: Path) -> FromFile:
    """Read at most one byte more than the limit, by which the decoder refuses the image. Raises OSError."""
    with file.open("rb") as opened:
        data = FromFile(opened.read(messages.MAX_IMAGE_BYTES + 1))
    data.file = file
    return data
