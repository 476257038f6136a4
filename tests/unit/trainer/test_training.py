import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from strop_contracts import documents
from strop_edge.model import Model
from tests.unit.trainer import lab
from trainer import backbone, head, jobs, training, views
from trainer.backends import base
from trainer.backends import head as head_backend


def silent(step, done, total):
    pass


def run(cache, output, images, champion=None, progress=silent):
    return training.run(jobs.Job.model_validate_json(lab.job(cache, output, images, champion)), progress)


@pytest.fixture
def images(tmp_path):
    return lab.items(tmp_path / "images")


def test_a_first_model_is_trained_judged_and_packed(tmp_path, cache, images):
    found = run(cache, tmp_path / "v1" / "package", images)

    assert found.state == "approved"
    assert found.labels == ["ring", "square", "stripes"]
    assert found.evaluations[documents.Origin.BASE].images == 9
    assert found.evaluations[documents.Origin.BASE].right >= 6
    assert found.evaluations["field"].images == 0
    Model(tmp_path / "v1" / "package").self_test()


def test_labels_that_are_no_folder_names_are_trained_and_answered(tmp_path, cache, images):
    names = {"ring": "N/A", "square": "\u06af\u0644\u200c\u0631\u0632", "stripes": "x" * 255}
    renamed = [item | {"label": names[item["label"]]} for item in images]

    found = run(cache, tmp_path / "v1" / "package", renamed)

    assert found.labels == sorted(names.values())
    packed = Model(tmp_path / "v1" / "package")
    assert packed.labels == tuple(sorted(names.values()))
    assert packed.manifest.thresholds.keys() == set(names.values())


def test_every_held_out_image_has_its_outcome(tmp_path, cache, images):
    found = run(cache, tmp_path / "v1" / "package", images)

    lines = [json.loads(line) for line in Path(found.outcomes[documents.Origin.BASE]).read_text().splitlines()]
    held = [item for item in images if item["part"] == "valid"]
    assert [(line["sha256"], line["label"]) for line in lines] == [(item["sha256"], item["label"]) for item in held]
    assert sum(line["label"] == line["predicted"] for line in lines) == found.evaluations[documents.Origin.BASE].right


def test_the_same_job_gives_the_same_model(tmp_path, cache, images):
    one, two = (run(cache, tmp_path / name / "package", images).files for name in ("a", "b"))

    assert one == two


def test_a_challenger_that_knows_the_field_beats_a_champion_that_does_not(tmp_path, cache):
    base = lab.items(tmp_path / "images", labels=("ring", "square"))
    field = [
        lab.item(tmp_path / "images", "stripes", seed, "golden" if seed % 2 else "train", "field")
        for seed in range(20, 40)
    ]
    run(cache, tmp_path / "v1" / "package", base)

    found = run(cache, tmp_path / "v2" / "package", base + field, tmp_path / "v1" / "package")

    assert found.state == "approved", found.reasons
    assert found.labels == ["ring", "square", "stripes"]
    assert found.evaluations["field"].images == 10
    assert any("the champion 0" in reason for reason in found.reasons)
    assert found.reasons[-1] == "10 field images to learn from, 10 golden"


def test_a_model_that_learned_nothing_new_is_not_approved(tmp_path, cache, images):
    run(cache, tmp_path / "v1" / "package", images)

    found = run(cache, tmp_path / "v2" / "package", images, tmp_path / "v1" / "package")

    assert found.state == "undecided"
    assert found.reasons[0].startswith("base: not better than the champion (0 gained, 0 lost), on only 9 images")


def spoilt(images, *numbers):
    """The same images, of which some are files that are no images."""
    for number in numbers:
        body = f"no image {number}".encode()
        Path(images[number]["path"]).write_bytes(body)
        images[number] |= {"source": f"shapes/{number}.jpg", "sha256": hashlib.sha256(body).hexdigest()}
    return images


def test_a_bad_image_in_each_part_is_left_out_and_named(tmp_path, cache):
    images = spoilt(lab.items(tmp_path / "images", train=10, valid=5), 0, 12)
    part = {number: images[number]["part"] for number in (0, 12)}

    found = run(cache, tmp_path / "v1" / "package", images)

    skipped = found.evaluations[documents.Origin.BASE].skipped
    assert part == {0: "train", 12: "valid"}
    assert [(each.source, each.part) for each in skipped] == [
        ("shapes/0.jpg", "train"),
        ("shapes/12.jpg", "valid"),
    ]
    assert found.evaluations[documents.Origin.BASE].images == 14
    assert any(
        "2 of 45 images cannot be used: shapes/0.jpg: neither JPEG, PNG nor WebP" in each for each in found.reasons
    )
    Model(tmp_path / "v1" / "package").self_test()


def test_an_image_without_a_file_is_left_out_although_its_features_are_known(tmp_path, cache, images):
    run(cache, tmp_path / "v1" / "package", images)
    Path(images[0]["path"]).unlink()

    found = run(cache, tmp_path / "v2" / "package", images, tmp_path / "v1" / "package")

    assert [each.reason for each in found.evaluations[documents.Origin.BASE].skipped] == ["its file is missing"]


def test_an_image_with_a_fault_is_left_out_for_that_reason(tmp_path, cache, images):
    images[0]["fault"] = "its bytes are not those of sha256 abc"

    found = run(cache, tmp_path / "v1" / "package", images)

    assert [each.reason for each in found.evaluations[documents.Origin.BASE].skipped] == [
        "its bytes are not those of sha256 abc"
    ]


def test_images_are_not_hashed_again(tmp_path, cache, images):
    """The service has hashed them when it fetched them: a job's hashes are names."""
    named = [{**each, "sha256": f"name-{number}"} for number, each in enumerate(images)]

    found = run(tmp_path / "cache-of-names", tmp_path / "v1" / "package", named)

    assert found.evaluations[documents.Origin.BASE].skipped == ()
    assert found.evaluations[documents.Origin.BASE].images == 9


def test_too_many_bad_images_end_the_training_and_are_named(tmp_path, cache, images):
    with pytest.raises(
        base.CannotTrain, match=r"2 of 27 images cannot be used: shapes/0\.jpg: .*; shapes/9\.jpg: .* 5%"
    ):
        run(cache, tmp_path / "v1" / "package", spoilt(images, 0, 9))


def test_nothing_held_out_is_trained_on(tmp_path, cache, images, monkeypatch):
    seen = []
    real = head.train

    def spy(examples, *others):
        seen.append(len(examples.labels))
        return real(examples, *others)

    monkeypatch.setattr(head, "train", spy)
    run(cache, tmp_path / "v1" / "package", images)

    assert seen == [18 * len(views.TRAINING["base"])]  # six images of three labels, in all their views


def hosted(cache, output, images, **options):
    """A hosted model: a stronger backbone, and no champion is even mentioned."""
    job = json.loads(lab.job(cache, output, images)) | {"options": {"backbone": backbone.HOSTED} | options}
    del job["champion"]
    return jobs.Job.model_validate_json(json.dumps(job))


def test_a_hosted_model_has_its_own_backbone_and_knows_what_it_does_not_know(tmp_path, cache, hosted_file):
    images = lab.items(tmp_path / "images", labels=("ring", "square"), train=12)
    images += [lab.item(tmp_path / "images", "stripes", seed, "valid") for seed in range(4)]

    found = training.run(hosted(cache, tmp_path / "v1" / "package", images), silent)

    loaded = Model(tmp_path / "v1" / "package")
    loaded.self_test()
    assert found.files["backbone.onnx"].sha256 == backbone.KINDS[backbone.HOSTED].sha256
    assert json.loads((tmp_path / "v1/package/model.json").read_text())["backbone"] == "lite0+lite2"
    lines = [json.loads(line) for line in Path(found.outcomes[documents.Origin.BASE]).read_text().splitlines()]
    assert all(set(line["confidences"]) == {"ring", "square"} for line in lines)
    assert all(not line["answers"] for line in lines if line["novel"])
    novelty = {known: [o["novelty"] for o in lines if (o["label"] != "stripes") is known] for known in (True, False)}
    assert sum(novelty[False]) / 4 > sum(novelty[True]) / 6
    answers = found.evaluations[documents.Origin.BASE].answers
    assert answers
    assert answers.labels["ring"].images == 3


def test_a_hosted_model_without_test_images_is_made_too(tmp_path, cache, hosted_file):
    images = lab.items(tmp_path / "images", valid=0)

    found = training.run(hosted(cache, tmp_path / "v1" / "package", images), silent)

    evaluation = found.evaluations[documents.Origin.BASE]
    assert evaluation.images == 0
    assert evaluation.answers
    assert evaluation.answers.f1 is None


def test_each_image_of_a_hosted_model_is_learned_from_once(tmp_path, cache, images):
    job = hosted(cache, tmp_path, images)

    assert head_backend.build(job.options).views["base"] == ("plain",)


def test_an_unknown_backbone_is_refused(tmp_path, cache, images):
    with pytest.raises(base.CannotTrain, match="lite9 is none of lite0, lite0"):
        training.run(hosted(cache, tmp_path / "package", images, backbone="lite9"), silent)


def test_groups_too_coarse_for_folds_give_way_to_single_images(tmp_path):
    items = [{**i, "group": "line-1/today"} for i in lab.items(tmp_path / "images", train=4, valid=0)]
    job = jobs.Job.model_validate_json(lab.job(tmp_path, tmp_path, items))

    assert len(set(head_backend.groups(job.images).values())) == 12


def test_images_of_a_group_stay_together_where_there_are_enough_groups(tmp_path):
    items = lab.items(tmp_path / "images", train=6, valid=0)
    items = [{**i, "group": f"line-{n % 3}"} for n, i in enumerate(items)]
    job = jobs.Job.model_validate_json(lab.job(tmp_path, tmp_path, items))

    assert len(set(head_backend.groups(job.images).values())) == 3


def process(tmp_path, job):
    (tmp_path / "job.json").write_text(job)
    return subprocess.run(
        [sys.executable, "-m", "trainer.training", tmp_path / "job.json", tmp_path / "result.json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def test_as_a_process_it_tells_its_progress_and_leaves_a_result(tmp_path, cache, images):
    ended = process(tmp_path, lab.job(cache, tmp_path / "v1" / "package", images))

    assert ended.returncode == 0, ended.stderr
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {"step": "head", "done": 3, "total": 3} in told
    assert json.loads((tmp_path / "result.json").read_text())["labels"] == ["ring", "square", "stripes"]


def test_a_process_that_fails_says_why_in_its_last_line_and_leaves_no_result(tmp_path, cache):
    images = lab.items(tmp_path / "images", labels=("ring",))

    ended = process(tmp_path, lab.job(cache, tmp_path / "v1" / "package", images))

    assert ended.returncode == 1
    assert ended.stderr.splitlines() == ["images of at least two labels are needed"]
    assert not (tmp_path / "result.json").exists()


def test_a_process_ends_with_the_one_that_waits_for_it(tmp_path, cache, images):
    """The trainer was killed: its child must not keep a core busy for nobody."""
    job = json.loads(lab.job(cache, tmp_path / "v1" / "package", images))

    ended = process(tmp_path, json.dumps({**job, "parent": 1}))  # another one than this process

    assert ended.returncode == 2
    assert not (tmp_path / "result.json").exists()
