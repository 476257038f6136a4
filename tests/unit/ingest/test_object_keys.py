"""What the keys of the bucket name."""

import pytest

from ingest import object_keys
from strop_contracts import errors, keys
from strop_wire import ids
from tests import factories

CAPTURE = ids.uuid7()


def test_a_granted_key_is_read_back() -> None:
    key = keys.upload(factories.capture(b"", id=CAPTURE))

    assert object_keys.parse(key) == object_keys.FieldImage("bottles", CAPTURE)


def test_the_folder_of_a_moved_file_is_its_label() -> None:
    key = f"bottles/labeled_field_data/Coffee mug, weiß/{CAPTURE}.jpg"

    assert object_keys.parse(key) == object_keys.LabeledImage("bottles", "Coffee mug, weiß", CAPTURE)


@pytest.mark.parametrize("folder", ["N%2FA", "N%2fA", "N%2FA "])
def test_a_folder_spells_the_slash_of_a_label(folder: str) -> None:
    key = f"bottles/labeled_field_data/{folder}/{CAPTURE}.jpg"
    place = object_keys.LabeledImage("bottles", "N/A", CAPTURE)

    assert object_keys.parse(key) == place
    assert object_keys.parse(f"bottles/datasets/base/train/{folder}/a.jpg") == object_keys.DatasetImage(
        "bottles", "base", "train", "N/A"
    )


@pytest.mark.parametrize("rest", ["a.jpg", "deeper/down/a.jpg"])
def test_an_image_of_a_data_set_may_lie_deep_under_its_label(rest: str) -> None:
    found = object_keys.parse(f"bottles/datasets/base/valid/can/{rest}")

    assert found == object_keys.DatasetImage("bottles", "base", "valid", "can")


@pytest.mark.parametrize(
    "key",
    [
        "bottles/images/" + "0" * 64,
        "bottles/models/v1/head.onnx",
        "bottles/backbones/0.onnx",
        "bottles/datasets/versions/1.json",
        "bottles/datasets/base/test/can/a.jpg",
        "bottles/raw_field_data/line-1/",
        "bottles/labeled_field_data/can/",
        "bottles/labeled_field_data/__MACOSX/can/1.jpg",
        "bottles/labeled_field_data/can/@eaDir/1.jpg",
        "bottles/raw_field_data/line-1/Thumbs.db",
        "raw_field_data",
        "",
    ],
)
def test_what_is_nobodys_upload_is_left_alone(key: str) -> None:
    assert object_keys.parse(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "bottles/datasets/base/train/.ipynb_checkpoints/1-checkpoint.jpg",
        "bottles/datasets/base/train/can/._1.jpg",
        "bottles/datasets/.git/train/can/1.jpg",
    ],
)
def test_a_hidden_file_below_the_data_sets_is_no_image(key: str) -> None:
    assert object_keys.parse(key) == object_keys.HiddenFile("bottles")


@pytest.mark.parametrize("deeper", ["", "day1/", "2026/day1/"])
def test_the_first_folder_of_a_moved_file_is_its_label_however_deep_it_lies(deeper: str) -> None:
    found = object_keys.parse(f"bottles/labeled_field_data/daisy/{deeper}{CAPTURE}.jpg")

    assert found == object_keys.LabeledImage("bottles", "daisy", CAPTURE)


@pytest.mark.parametrize(
    "key",
    [
        "bottles/labeled_field_data/CAPTURE.jpg",
        "bottles/datasets/base/train/a.jpg",
    ],
)
def test_a_file_in_no_folder_that_counts_is_invalid(key: str) -> None:
    with pytest.raises(errors.InvalidMessage, match=r"lies in no folder"):
        object_keys.parse(key.replace("CAPTURE", str(CAPTURE)))


@pytest.mark.parametrize(
    "name",
    [
        "{}.jpg",
        "Copy of {}.jpg",
        "{} (1).jpg",
        "20260301T120000Z_can_0.57_{} - Kopie.JPG",
        "3f2504e0-4f89-41d3-9a0c-0305e82c3301_{}.jpg",
    ],
)
def test_the_last_id_in_a_file_name_is_the_capture(name: str) -> None:
    key = f"bottles/raw_field_data/{name.format(str(CAPTURE).upper())}"

    assert object_keys.parse(key) == object_keys.FieldImage("bottles", CAPTURE)


@pytest.mark.parametrize("folders", ["", "line-1/", "line-1/day 1/"])
def test_a_file_without_an_id_is_an_image_of_no_capture_yet(folders: str) -> None:
    raw = object_keys.parse(f"bottles/raw_field_data/{folders}holiday+1.jpg")
    labeled = object_keys.parse(f"bottles/labeled_field_data/can/{folders}holiday+1.jpg")

    assert raw == object_keys.FieldImage("bottles", None)
    assert labeled == object_keys.LabeledImage("bottles", "can", None)


@pytest.mark.parametrize("label", ["..", "a\x07b", "x" * 256])
def test_a_folder_that_cannot_be_a_label_is_invalid(label: str) -> None:
    with pytest.raises(errors.InvalidMessage, match="label"):
        object_keys.parse(f"bottles/labeled_field_data/{label}/{CAPTURE}.jpg")
