import pytest

from strop_edge import manifest, ondemand
from strop_wire import messages
from tests.unit.edge import packages

BEST = messages.Prediction("red", 0.8)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"id": "r-1", "more": 1}', "r-1"),
        (b'{"id": 7}', "7"),
        (b'{"id": null}', None),
        (b"{}", None),
        (b"", None),
        (b"[1]", None),
        (b"please", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
    ],
    ids=range(9),
)
def test_any_payload_is_a_request_and_an_id_is_kept(payload: bytes, expected: str | None) -> None:
    assert ondemand.read(payload, "reply") == ondemand.Request(expected, "reply")


def test_an_id_without_end_is_cut() -> None:
    assert ondemand.read(b'{"id": "' + b"x" * 1000 + b'"}', "reply").id == "x" * 256


def test_the_answer_carries_what_was_seen() -> None:
    found = answer({})

    assert messages.Answer.loads(found.dumps()) == found
    assert (found.request, found.device, found.model, found.label, found.confidence) == ("r", "cam", "v1", "red", 0.8)
    assert "red" in found.message


def test_below_the_threshold_of_its_label_the_answer_has_no_label() -> None:
    found = answer({"red": 0.81})

    assert found.label == ""
    assert found.confidence == 0.8
    assert "unsure" in found.message


@pytest.mark.parametrize(("version", "why"), [(None, "no model yet"), ("v1", "no image yet")])
def test_without_model_or_image_the_answer_says_so(version: str | None, why: str) -> None:
    found = ondemand.nothing(ondemand.Request("r", "reply"), "cam", version, why)

    assert messages.Answer.loads(found.dumps()) == found
    assert (found.request, found.model, found.label, found.confidence, found.message) == ("r", version, "", 0.0, why)


def answer(
    thresholds: dict[str, float], policy: messages.Policy | None = None, *, novel: bool = False
) -> messages.Answer:
    described = manifest.Manifest.loads(packages.package(thresholds=thresholds).contents["model.json"])
    request = ondemand.Request("r", "reply")
    return ondemand.answer(request, "cam", described, BEST, policy or messages.Policy(), novel=novel)


def test_a_novel_image_is_answered_without_a_label_unless_the_policy_allows_it() -> None:
    rejected, allowed = (answer({}, messages.Policy(reject_novel=reject), novel=True) for reject in (True, False))

    assert (rejected.label, rejected.confidence) == ("", BEST.confidence)
    assert rejected.message == "Nothing known: the image is unlike all training images."
    assert allowed.label == BEST.label


def test_the_alias_has_the_topics_of_the_walkthrough() -> None:
    assert ondemand.reply_topics("p", "d", "beverage_container") == {
        "request/classify/p/d": "response/prediction/p/d",
        "/request/classify/beverage_container": "/response/prediction/beverage_container",
    }
    assert list(ondemand.reply_topics("p", "d", None)) == ["request/classify/p/d"]
