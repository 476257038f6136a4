"""What an upload that fails leaves behind."""

import weakref

import pytest

from ingest import uploads


class Body:
    """Bytes that can be watched."""


def test_an_error_lets_go_of_the_bytes_that_it_went_through() -> None:
    """The errors of a batch are kept until its end, and a hundred images of 20 MiB would not fit."""
    bodies: list[weakref.ref[Body]] = []

    def decode(body: Body) -> None:
        bodies.append(weakref.ref(body))
        raise ValueError("no image")

    def look() -> None:
        body = Body()
        try:
            decode(body)
        except ValueError as error:
            raise LookupError("of no use") from error

    with pytest.raises(LookupError) as caught:
        look()
    assert bodies[0]() is not None

    uploads._release_frames(caught.value)

    assert bodies[0]() is None
