"""Which entries make a model, and which sets of entries make none."""

import json
from dataclasses import replace

import pytest

from custom_labels.versions import selection
from custom_labels.versions.selection import Entry, Unfit

ROSES = [Entry(f"s3://b/rose/{n}.jpg", ("rose",), f"r{n}") for n in range(6)]
TULIPS = [Entry(f"s3://b/tulip/{n}.jpg", ("tulip",), f"t{n}") for n in range(6)]
OTHERS = [Entry(f"s3://b/{label}", (label,), label) for label in ("lily", "iris", "aster")]
TRAIN, TEST = [*ROSES[:4], *TULIPS[:4]], [*ROSES[4:], *TULIPS[4:]]


def test_labelled_images_of_both_sets_become_the_manifest_of_an_order() -> None:
    unlabelled, bad = Entry("s3://b/x.jpg", (), "x"), Entry("s3://b/broken.jpg", ("rose",), None)

    chosen = selection.select([*TRAIN, unlabelled, bad], TEST)

    assert chosen.labels == ["rose", "tulip"]
    lines = [json.loads(line) for line in chosen.dumps().splitlines()]
    assert [line["part"] for line in lines] == ["train"] * 8 + ["valid"] * 4
    assert lines[0] == {
        "sha256": "r0", "label": "rose", "part": "train", "origin": "base", "group": "r0", "source": "s3://b/rose/0.jpg"
    }  # fmt: skip


def test_lines_refused_when_the_data_set_was_made_stop_no_training() -> None:
    refused = [Entry(f"s3://b/{n}", (), None, refused=True) for n in range(9)]

    assert len(selection.select([*TRAIN, *refused], TEST).train) == 8


def test_copies_of_an_image_count_once() -> None:
    copy = Entry("s3://b/again.jpg", ("rose",), "r0")

    assert len(selection.select([*TRAIN, copy], TEST).train) == 8


def test_without_a_test_set_a_fifth_of_each_label_is_held_out() -> None:
    chosen = selection.select([*ROSES[:5], *TULIPS[:5]], None)

    assert sorted(entry.labels[0] for entry in chosen.test) == ["rose", "tulip"]
    assert not set(chosen.train) & set(chosen.test)
    assert len(chosen.train) == 8


@pytest.mark.parametrize(
    ("train", "test", "reason"),
    [
        (ROSES[:4], ROSES[4:], "ERROR_MANIFEST_TOO_FEW_LABELS"),
        ([], TEST, "The training data set has no labelled images"),
        (TRAIN, [], "The test data set has no labelled images"),
        (TRAIN, [*TEST, TRAIN[0]], "s3://b/rose/0.jpg and s3://b/rose/0.jpg"),
        (TRAIN, [*TEST, Entry("s3://b/copy.jpg", ("rose",), "r0")], "An image is in the training and in the test data"),
        ([*TRAIN, *OTHERS], TEST, "ERROR_INSUFFICIENT_LABEL_OVERLAP: .* has 2 of the 5 labels of the training"),
        ([*TRAIN, Entry("s3://b/both.jpg", ("rose", "tulip"), "x")], TEST, "s3://b/both.jpg has several labels"),
        ([*TRAIN, Entry("s3://b/copy.jpg", ("tulip",), "r0")], TEST, "One image has two labels: s3://b/rose/0.jpg"),
        (
            [*TRAIN, *[Entry(f"s3://b/{n}", (), None) for n in range(3)]],
            TEST,
            "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST: .* 3 of the 11 entries of the training",
        ),
        (
            [*TRAIN, *[Entry(f"s3://b/{n}", (f"l{n}",), f"l{n}") for n in range(249)]],
            TEST,
            "ERROR_MANIFEST_TOO_MANY_LABELS",
        ),
        (TRAIN, [Entry(f"s3://b/{n}", ("rose",), f"x{n}") for n in range(1001)], "1001 images of 'rose'"),
        (ROSES[:2] + TULIPS[:2], None, "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT"),
    ],
)
def test_entries_that_make_no_model_are_an_error_with_its_reason(
    train: list[Entry], test: list[Entry] | None, reason: str
) -> None:
    with pytest.raises(Unfit, match=reason):
        selection.select(train, test)


def test_half_of_the_training_labels_must_be_tested_and_the_test_may_have_any_others() -> None:
    chosen = selection.select([*TRAIN, *OTHERS[:2]], [*TEST, *(replace(each, sha256=f"t-{each}") for each in OTHERS)])
    assert len(chosen.test) == 7

    unknown = [Entry(f"s3://b/{n}", (f"unknown {n}",), f"u{n}") for n in range(5)]
    assert len(selection.select(TRAIN, [*TEST[:1], *unknown]).test) == 6


def test_labels_of_a_single_image_need_no_test_when_a_fifth_is_held_out() -> None:
    chosen = selection.select([*ROSES, *OTHERS], None)

    assert chosen.labels == ["aster", "iris", "lily", "rose"]
    assert {entry.labels[0] for entry in chosen.test} == {"rose"}
