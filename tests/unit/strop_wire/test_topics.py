"""Names of topics, and who may be called what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop_wire import topics
from tests.unit.strop_wire import strategies


@given(strategies.names, strategies.names, st.sampled_from(topics.UP + topics.DOWN))
def test_a_topic_is_taken_apart_as_it_was_put_together(project: str, device: str, kind: str) -> None:
    assert topics.parse(topics.topic(project, device, kind)) == topics.Address(project, device, kind)


@given(strategies.names, strategies.names)
def test_topics_stay_within_what_aws_iot_core_carries(project: str, device: str) -> None:
    made = [topics.topic(project, device, kind) for kind in topics.UP + topics.DOWN]
    made += [topics.classify_request(project, device), topics.classify_response(project, device)]

    for topic in made:
        assert topic.count("/") <= 7
        assert not topic.startswith(("/", "$"))
        assert len(topic.encode()) <= 256


@given(st.text())
def test_any_text_is_a_topic_of_ours_or_none(text: str) -> None:
    found = topics.parse(text)

    assert found is None or topics.topic(found.project, found.device, found.kind) == text


@pytest.mark.parametrize(
    "text",
    ["strop/a/b", "strop/a/b/c/d", "other/a/b/capture", "strop/a/b/dance", "strop//b/capture", "strop/+/b/capture"],
)
def test_other_topics_are_none(text: str) -> None:
    assert topics.parse(text) is None


@pytest.mark.parametrize("name", ["a", "Line-1", "0_x", "a" * 63])
def test_good_names(name: str) -> None:
    assert topics.valid_name(name)


@pytest.mark.parametrize("name", ["", "-a", "_a", "a b", "a/b", "a.b", "ä", "a" * 64, "a\n", "#", "$share"])
def test_bad_names(name: str) -> None:
    assert not topics.valid_name(name)
