"""Programs that ask devices to classify, at a Mosquitto with the shipped configuration."""

import pytest

from strop_wire import topics
from tests.integration.ingest.access import ALIAS, Broker, attempt, connected, granted, heard


@pytest.mark.parametrize(
    ("request_topic", "response_topic"),
    [
        (topics.classify_request("bottles", "line-1"), topics.classify_response("bottles", "line-1")),
        (topics.alias_request(ALIAS), topics.alias_response(ALIAS)),
    ],
)
async def test_a_program_asks_a_device_to_classify_and_gets_the_answer(
    mosquitto: Broker, request_topic: str, response_topic: str
) -> None:
    async with (
        connected(mosquitto, "strop-client", response_topic, client_id="program") as program,
        connected(mosquitto, "devices/bottles/line-1", request_topic) as device,
    ):
        await program.publish(request_topic, b"now")
        assert await heard(device) == [(request_topic, b"now")]
        await device.publish(response_topic, b"can")

        assert await heard(program) == [(response_topic, b"can")]


async def test_the_topics_of_an_alias_belong_to_its_device(mosquitto: Broker) -> None:
    asked, answered = topics.alias_request(ALIAS), topics.alias_response(ALIAS)
    async with (
        connected(mosquitto, "strop-client", answered, client_id="program-2") as program,
        connected(mosquitto, "devices/bottles/line-2") as other,
    ):
        await other.publish(answered, b"not its alias")
        await other.publish(topics.classify_request("bottles", "line-1"), b"no program")

        assert await heard(program) == []
    assert await granted(mosquitto, "devices/bottles/line-2", asked, answered) == [False, False]


@pytest.mark.parametrize(
    "topic", ["strop/+/+/capture", "strop/bottles/line-1/grant", "#", "request/classify/+/+", "$share/any/#"]
)
async def test_a_program_that_asks_devices_reads_nothing_else(mosquitto: Broker, topic: str) -> None:
    async with attempt(mosquitto, "strop-client", topic, client_id="program-3") as program:
        assert program.refused == [topic]
