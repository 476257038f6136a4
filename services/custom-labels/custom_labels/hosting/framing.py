"""What passes between the service and an inference unit: frames of bytes, each after its length in 4 bytes, big-endian.

To the unit: the files of images. From it: JSON, first one frame that says whether the model is loaded, then one an image.
"""

import struct

HEADER = struct.Struct(">I")


def frame(body: bytes) -> bytes:
    return HEADER.pack(len(body)) + body
