"""What one unit says to an image, and to one that it cannot use."""

import io
import json
from pathlib import Path

import pytest

from custom_labels.hosting import framing, worker
from strop_edge import model
from tests.unit.edge import packages


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> model.Model:
    return model.Model(packages.package().write(tmp_path_factory.mktemp("model")))


def test_an_image_is_answered_with_all_labels_best_first(loaded: model.Model) -> None:
    said = worker.answer(loaded, packages.GREEN)

    assert "ranked" in said
    assert next(label for label, _ in said["ranked"]) == "green"
    assert sum(confidence for _, confidence in said["ranked"]) == pytest.approx(1, abs=1e-4)
    assert said["answers"][0] == "green"
    assert said["novel"] is False


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"no image", "InvalidImageFormatException"),
        (packages.picture(1, 1, 1, form="WEBP"), "InvalidImageFormatException"),
        (packages.RED[: len(packages.RED) // 2], "InvalidImageFormatException"),
        (packages.picture(1, 1, 1, (4097, 64)), "ImageTooLargeException"),
        (packages.picture(1, 1, 1, (63, 200), "PNG"), "InvalidParameterException"),
    ],
    ids=["bytes", "webp", "cut", "large", "small"],
)
def test_what_is_no_image_that_can_be_used_is_refused(loaded: model.Model, data: bytes, code: str) -> None:
    said = worker.answer(loaded, data)

    assert "refused" in said
    assert said["refused"] == code
    assert said["reason"].endswith(".")


def said(sink: io.BytesIO) -> list[dict[str, object]]:
    found, rest = [], sink.getvalue()
    while rest:
        (length,) = framing.HEADER.unpack_from(rest)
        found.append(json.loads(rest[4 : 4 + length]))
        rest = rest[4 + length :]
    return found


def test_a_unit_reports_ready_and_answers_until_its_input_ends(tmp_path: Path) -> None:
    source, sink = io.BytesIO(framing.frame(packages.RED) + framing.frame(b"no image")), io.BytesIO()

    worker.serve(packages.package("v7").write(tmp_path), source, sink)

    ready, answer, refusal = said(sink)
    assert ready == {"ready": "v7"}
    assert answer["ranked"][0][0] == "red"  # type: ignore[index]
    assert refusal["refused"] == "InvalidImageFormatException"


def test_a_model_that_cannot_run_is_reported_with_the_reason(tmp_path: Path) -> None:
    folder, sink = packages.package().write(tmp_path), io.BytesIO()
    (folder / "head.onnx").write_bytes(b"altered")

    worker.serve(folder, io.BytesIO(), sink)

    (failed,) = said(sink)
    assert "head.onnx: sha256 is" in str(failed["failed"])
