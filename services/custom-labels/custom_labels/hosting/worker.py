"""An inference unit: `python -m custom_labels.hosting.worker FOLDER`, a process of its own that holds one model and one thread.

It answers images on standard input, in their order, on standard output (`framing`), and ends when the input does: so it
never outlives the service. An image that it cannot use is answered with the reason.
"""

import json
import os
import sys
from pathlib import Path
from typing import BinaryIO

from custom_labels import image_rules
from custom_labels.hosting import framing
from strop_edge import image, manifest, model
from strop_image import decoder, sandbox


class Refused(Exception):
    """This image cannot be used; `code` is the name of the API's error."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def answer(loaded: model.Model, data: bytes) -> framing.Detection | framing.Refusal:
    """Say all labels with their confidences, best first, and how many of them the model stands by; or why not."""
    try:
        _check(data)
        wanted = loaded.manifest.input
        pixels = image.prepare(sandbox.shared().decode(data, wanted.resize), wanted)
        rows, novelties = loaded.assess(pixels[None])
    except Refused as error:
        return {"refused": error.code, "reason": str(error)}
    except sandbox.Unavailable:
        return {"refused": "InternalServerError", "reason": "The image could not be decoded. Please try again."}
    except decoder.BadImage as error:
        return {"refused": "InvalidImageFormatException", "reason": f"The image is invalid: {error}."}
    novelty = None if novelties is None else float(novelties[0])
    return {
        "ranked": [(each.label, each.confidence) for each in loaded.rank(rows[0])],
        "answers": [each.label for each in loaded.answers(rows[0], novelty)],
        "novel": bool(loaded.is_novel(novelty)),
    }


def _check(data: bytes) -> None:
    """Refuse what Rekognition refuses, by the file's header alone; the decoder finds out about the rest."""
    found = image_rules.read_header(data)
    width, height = found.width, found.height
    if max(width, height) > image_rules.LARGEST:
        raise Refused(
            "ImageTooLargeException", f"The image has {width} x {height} pixels; {image_rules.LARGEST} a side is most."
        )
    if min(width, height) < image_rules.SMALLEST:
        raise Refused(
            "InvalidParameterException", f"The image has {width} x {height} pixels; {image_rules.SMALLEST} is least."
        )


def serve(folder: Path, source: BinaryIO, sink: BinaryIO) -> None:
    """Load the model and answer until the input ends."""
    try:
        loaded = model.Model(folder)
        loaded.self_test()
    except manifest.BadModel as error:
        _send(sink, {"failed": str(error)})
        return
    _send(sink, {"ready": loaded.version})
    while len(header := source.read(framing.HEADER.size)) == framing.HEADER.size:
        (length,) = framing.HEADER.unpack(header)
        _send(sink, answer(loaded, source.read(length)))


def _send(sink: BinaryIO, message: framing.Loaded | framing.Broken | framing.Detection | framing.Refusal) -> None:
    sink.write(framing.frame(json.dumps(message).encode()))
    sink.flush()


def main() -> None:
    # Whatever a library prints must not get between the frames.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as sink:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        serve(Path(sys.argv[1]), sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
