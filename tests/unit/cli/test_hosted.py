"""Which project is meant, which files go to S3, and what is said in the end."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from console import autolabel
from strop_cli import hosted
from strop_cli.__main__ import cli
from strop_contracts import errors


def test_the_only_project_need_not_be_named() -> None:
    assert hosted.only(["flowers"]) == "flowers"


def test_among_several_projects_the_person_must_choose() -> None:
    with pytest.raises(errors.Refused, match=r"name the project.*: beverages, flowers"):
        hosted.only(["flowers", "beverages"])


def test_without_any_project_the_error_names_the_option_create() -> None:
    with pytest.raises(errors.Refused, match="--create"):
        hosted.only([])


def test_images_keep_their_folders_below_the_prefix_and_hidden_ones_stay_behind(tmp_path: Path) -> None:
    for name in ("pink primrose/a.jpg", "rose/deep/b.PNG", "c.jpeg", "rose/.x.jpg", ".git/d.jpg", "rose/e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert hosted.look(tmp_path).keys("p/import/train/") == {
        "p/import/train/pink primrose/a.jpg": tmp_path / "pink primrose/a.jpg",
        "p/import/train/rose/deep/b.PNG": tmp_path / "rose/deep/b.PNG",
        "p/import/train/c.jpeg": tmp_path / "c.jpeg",
    }


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.Refused, match=r"has no images: expected .*/LABEL/"):
        hosted.look(tmp_path)


def test_the_summary_names_bad_images_files_left_out_and_why_it_failed() -> None:
    stats = {"TotalEntries": 3, "LabeledEntries": 2, "TotalLabels": 2, "ErrorEntries": 1}
    listing = autolabel.Listing({}, {"t/notes.txt": "no image by name", "t/.git": "hidden"})
    begun = autolabel.Begun("arn", "s3://mine/t.manifest", listing)
    failed = {"Status": "CREATE_FAILED", "StatusMessage": "too many bad lines", "DatasetStats": stats}

    told = hosted.summary(
        "flowers", "TRAIN", begun, autolabel.Taken(failed, [("s3://mine/t/a.jpg", "ERROR_INVALID_IMAGE: x")])
    )

    assert told == [
        "bad s3://mine/t/a.jpg: ERROR_INVALID_IMAGE: x",
        "1 left out, hidden: t/.git",
        "1 left out, no image by name: t/notes.txt",
        "flowers TRAIN: 3 images, 2 of them with one of 2 labels, 1 bad; manifest s3://mine/t.manifest",
        "CREATE_FAILED: too many bad lines",
    ]


def test_entries_of_the_api_cannot_be_removed_one_by_one() -> None:
    done = CliRunner().invoke(cli, ["datasets", "import", "flowers", "folder", "--auto-label", "--delete"])

    assert isinstance(done.exception, errors.Refused)
    assert "--delete goes with base images" in str(done.exception)


@pytest.mark.parametrize("words", ["flowers s3://b/t/", "flowers folder --create", "flowers folder --bucket b"])
def test_what_goes_with_auto_label_is_refused_without_it(words: str) -> None:
    done = CliRunner().invoke(cli, ["datasets", "import", *words.split()])

    assert isinstance(done.exception, errors.Refused)
    assert "--auto-label" in str(done.exception)


def test_a_base_set_needs_its_project() -> None:
    done = CliRunner().invoke(cli, ["datasets", "import", "folder"])

    assert done.exit_code == 2
    assert "expected PROJECT FOLDER" in done.output


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"1": "rosé"}'.encode("latin-1"), "not in UTF-8 (line 1 holds the byte 0xe9)"),
        ('{"1": "rosé"}'.encode("utf-16"), "in UTF-16"),
        ("{".encode("utf-8-sig"), "not JSON"),
    ],
)
def test_a_names_file_that_cannot_be_read_is_refused_in_words(tmp_path: Path, body: bytes, reason: str) -> None:
    (tmp_path / "names.json").write_bytes(body)

    words = ["datasets", "import", "x", "s3://b/t/", "--auto-label", "--names", str(tmp_path / "names.json")]
    done = CliRunner().invoke(cli, words)

    assert isinstance(done.exception, errors.Refused)
    assert reason in str(done.exception)
