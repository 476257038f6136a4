"""A folder as people really have them: everything in it that is no plain file with a plain name."""

import os
import socket
from pathlib import Path

PROBLEMS = {
    "rose/dangling.jpg": "a link that leads nowhere",
    "rose/empty-folder.jpg": "a folder without images",
    "rose/itself.jpg": "Too many levels of symbolic links",
    "rose/large.jpg": "bytes are over the limit of",
    "rose/pipe.jpg": "not a regular file",
    "rose/socket.png": "not a regular file",
    "rose/up": "a link to a folder that it lies in",
    "\\xe9t\\xe9": "its name is not UTF-8",
    "rose/\\xff.jpg": "its name is not UTF-8",
}
LEFT_OUT = {
    ".git": "hidden",
    "__MACOSX": "hidden",
    "rose/.ipynb_checkpoints": "hidden",
    "rose/._1.jpg": "hidden",
    "rose/@eaDir": "hidden",
    "rose/Thumbs.db": "hidden",
    "rose/notes.txt": "no image by name",
    "rose/two\\nlines.txt": "no image by name",
}
FILES = ["linked/1.jpg", "rose/1.jpg", "rose/deep/er/2.JPEG", "rose/folder.jpg/3.png", "rose/link.jpg"]


def make(folder: Path, image: bytes = b"") -> None:
    """Fill the folder: FILES are images, LEFT_OUT and PROBLEMS are the rest."""
    outside = folder.parent / "outside"
    real = ("rose/1.jpg", "rose/deep/er/2.JPEG", "rose/folder.jpg/3.png")
    hidden = (
        "rose/.ipynb_checkpoints/1.jpg",
        "rose/._1.jpg",
        "rose/@eaDir/1.jpg",
        "__MACOSX/rose/._1.jpg",
        ".git/x.jpg",
    )
    others = ("rose/Thumbs.db", "rose/notes.txt", "rose/two\nlines.txt", "rose/large.jpg")
    for name in (*real, *hidden, *others, "rose/\udcff.jpg", "\udce9t\udce9/1.jpg", outside / "1.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(image)
    os.truncate(folder / "rose/large.jpg", 2**30)  # a hole: it takes no space
    (folder / "rose/empty-folder.jpg").mkdir()
    (folder / "rose/dangling.jpg").symlink_to("nowhere")
    (folder / "rose/itself.jpg").symlink_to("itself.jpg")
    (folder / "rose/up").symlink_to("..")
    (folder / "rose/link.jpg").symlink_to("1.jpg")
    (folder / "linked").symlink_to(outside)
    os.mkfifo(folder / "rose/pipe.jpg")
    here = Path.cwd()
    os.chdir(folder / "rose")  # the address of a socket is a short path
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.png")
    os.chdir(here)
