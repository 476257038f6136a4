"""What passes between the service and an inference unit: frames of bytes, each after its length in 4 bytes, big-endian.

To the unit: the files of images. From it: JSON, first one frame with the result of loading the model, then one an image.
"""

import struct
from typing import TypedDict, final


@final
class Detection(TypedDict):
    """What a unit finds in an image."""

    ranked: list[tuple[str, float]]  # all labels with their confidences, best first
    answers: list[str]  # labels that reach their threshold
    novel: bool  # the image shows nothing known


@final
class Refusal(TypedDict):
    """Why a unit cannot use an image."""

    refused: str  # name of the API's error
    reason: str


@final
class Loaded(TypedDict):
    """The first frame of a unit that can answer."""

    ready: str  # version of the model


@final
class Broken(TypedDict):
    """The first frame of a unit whose model cannot run."""

    failed: str


HEADER = struct.Struct(">I")


def frame(body: bytes) -> bytes:
    return HEADER.pack(len(body)) + body
