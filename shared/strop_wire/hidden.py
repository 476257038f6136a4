"""Files that are never data: those that operating systems, editors and file servers create beside a user's files.

One rule for folders on disk, for keys in S3, for what ingest is notified of, and for the folders of labels. Pure.
"""

_NAMES = {
    "__macosx",  # archives made on a Mac
    "@eadir",  # Synology
    "@recycle",  # QNAP
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
}

REASON = "hidden"
NO_IMAGE = "no image by name"
"""Why files of other types are left out."""


def is_name(part: str) -> bool:
    """Whether this is one of the names above, in any case."""
    return part.casefold() in _NAMES


def part(path: str) -> str | None:
    """Return the path as far as its first hidden part, or None when no part of it is hidden.

    A part is hidden when it begins with a dot (`.git`, `.ipynb_checkpoints`, `._x.jpg`) or is one of the names above, in
    any case. The path is relative to the folder that is imported; its parts are separated by slashes.
    """
    parts = path.split("/")
    for number, each in enumerate(parts, 1):
        if (each.startswith(".") and each not in {".", ".."}) or is_name(each):
            return "/".join(parts[:number])
    return None
