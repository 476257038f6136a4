"""The sentence about images that cannot be used. Pure."""

from collections.abc import Sequence

NAMED = 5
"""Images that the sentence names."""


def sentence(images: Sequence[tuple[str, str]], total: int | None = None) -> str:
    """Say how many images (of `total`) cannot be used, and name some of them; each is a source and a reason."""
    many = len(images) if total is None else total
    counted = f"{len(images)} " + ("" if total is None else f"of {total} ") + ("image" if many == 1 else "images")
    named = "; ".join(f"{source}: {' '.join(reason.split())}" for source, reason in images[:NAMED])
    more = f"; and {len(images) - NAMED} more" if len(images) > NAMED else ""
    return f"{counted} cannot be used: {named}{more}"
