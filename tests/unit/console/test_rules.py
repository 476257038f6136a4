from typing import Any

import pytest

from console import rules
from strop_contracts import documents
from tests import judged


def entry(hits: int, wrong: int, missed: int) -> documents.AnsweredLabel:
    figures = {"images": hits + missed, "precision": 0.5, "recall": 0.5, "f1": 0.5, "threshold": 0.4}
    counts = {"true_positives": hits, "false_positives": wrong, "false_negatives": missed}
    return documents.AnsweredLabel.model_validate({**counts, **figures})


@pytest.mark.parametrize(
    ("status", "words", "tone"),
    [
        ("TRAINING_IN_PROGRESS", "Training", "moving"),
        ("TRAINING_COMPLETED", "Trained", "calm"),
        ("TRAINING_FAILED", "Training failed", "bad"),
        ("RUNNING", "Running", "good"),
        ("STOPPING", "Stopping", "moving"),
        ("CREATE_IN_PROGRESS", "Create in progress", "moving"),
        ("SOMETHING_NEW", "Something new", "calm"),
    ],
)
def test_a_state_has_words_and_a_colour(status: str, words: str, tone: str) -> None:
    assert (rules.state(status), rules.tone(status)) == (words, tone)


@pytest.mark.parametrize(
    ("state", "said", "words"),
    [
        ("requested", {}, "waiting for a trainer"),
        ("running", {}, "begins"),
        ("running", {"step": "features", "done": 3, "total": 8}, "features 3 of 8"),
        ("running", {"step": "export"}, "export"),
        ("succeeded", {"step": "features"}, ""),
    ],
)
def test_a_training_shows_its_step(state: str, said: dict[str, Any], words: str) -> None:
    assert rules.progress(state, documents.Progress.model_validate(said)) == words


@pytest.mark.parametrize(("model", "number"), [("v7", 7), ("v", 0), ("vx", 0), ("", 0), ("v" + "9" * 30, 0)])
def test_the_number_of_a_model_is_read_from_a_devices_state(model: str, number: int) -> None:
    assert rules.number(model) == number


def test_an_error_of_the_api_has_advice() -> None:
    error = {"Code": "LimitExceededException", "Message": "A version is in training"}

    assert rules.advice(error) == "A version is in training. Wait until the other one is done, or stop it."


def test_an_error_without_a_message_is_named_by_its_code() -> None:
    assert rules.advice({"Code": "Odd"}) == "Odd."


def test_the_worst_label_comes_first_and_one_without_test_images_last() -> None:
    metrics = judged.metrics()
    assert metrics.answers
    metrics.answers.labels["weed"] = entry(0, 2, 0)

    names = [label.name for label in rules.scores(metrics).labels]

    assert names == ["tulip", "rose", "daisy", "weed"]


def test_scores_are_of_what_the_model_answers() -> None:
    found = rules.scores(judged.metrics(judged.SHOTS))

    rose = next(label for label in found.labels if label.name == "rose")
    assert rose.counts == (1, 0, 1)
    assert rose.precision
    assert rose.precision.value == 1
    assert rose.precision.low == pytest.approx(0.2065, abs=1e-4)  # Wilson, 1 of 1
    assert rose.recall
    assert rose.recall.value == 0.5
    assert found.f1 == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert found.unanswered == 2


def test_scores_of_an_evaluation_with_best_labels_only_are_read_too() -> None:
    metrics = judged.metrics(answers=None)

    found = rules.scores(metrics)

    assert found.f1 == pytest.approx(sum(label.f1.value for label in metrics.labels.values() if label.f1) / 3)
    assert found.recall == pytest.approx(0.5)
    assert found.unanswered == 2
    assert all(label.counts is None and label.threshold is None for label in found.labels)


def test_scores_of_nothing_are_unknown() -> None:
    found = rules.scores(judged.metrics([], accuracy=None, answered=None, answers=None))

    assert (found.f1, found.accuracy, found.unanswered) == (None, None, 0)


def test_labels_that_are_mixed_up_most_come_first() -> None:
    confusion = documents.Confusion(labels=("a", "b", "c"), counts=((8, 2, 0), (0, 9, 1), (3, 0, 0)))

    assert rules.mixups(confusion, most=2) == [rules.Mixup("c", "a", 3, 1.0), rules.Mixup("a", "b", 2, 0.2)]


def answer(**found: float) -> list[dict[str, Any]]:
    return [{"Name": name, "Confidence": confidence} for name, confidence in found.items()]


def test_a_verdict_ranks_all_labels_and_marks_those_answered() -> None:
    found = rules.verdict(answer(rose=93.0), answer(tulip=5.0, rose=93.0, daisy=2.0), {"rose": 0.5, "tulip": 0.6})

    assert [guess.name for guess in found.guesses] == ["rose", "tulip", "daisy"]
    assert [guess.name for guess in found.answers] == ["rose"]
    assert found.guesses[1].threshold == 0.6
    assert found.reason == ""


def test_an_image_below_every_threshold_differs_from_an_unknown_one() -> None:
    unsure = rules.verdict([], answer(rose=41.0, tulip=39.0), {"rose": 0.5})
    unknown = rules.verdict([], answer(rose=97.0), {"rose": 0.5})

    assert "not sure enough: rose comes closest with 41.0 %, and its threshold is 50.0 %" in unsure.reason
    assert unknown.reason.startswith("Rejected as unknown")
    assert "rose would be the best guess with 97.0 %" in unknown.reason


def test_a_model_without_any_answer_is_described_as_such() -> None:
    assert "no label at all" in rules.verdict([], [], {}).reason


def test_a_search_for_a_percent_sign_finds_just_that() -> None:
    assert rules.escape_like(r"50%_\a") == r"50\%\_\\a"


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (12000, "12,000 images")]
)
def test_numbers_are_written_with_their_noun(count: int, words: str) -> None:
    assert rules.plural(count, "image") == words


def test_unknown_figures_are_dashes() -> None:
    assert (rules.percent(None), rules.score(None)) == ("—", "—")
