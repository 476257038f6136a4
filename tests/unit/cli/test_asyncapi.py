"""What is written about the wire is what the code does."""

import inspect
import json
import re

import pytest
import yaml

from router import rules
from strop import storage
from strop_cli import asyncapi, wire_tables
from strop_image import header
from strop_wire import MAX_PAYLOAD, messages, reports, topics

PAGE = (asyncapi.DOCS / "wire.md").read_text()
EXAMPLES = re.findall(r"^```json (\S+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
KINDS: dict[str, type[messages.Message]] = {
    "capture": messages.Capture,
    "grant": messages.Grant,
    "state": reports.State,
    "desired": messages.Desired,
    "fetch": messages.Fetch,
}


def test_the_document_is_what_the_messages_make() -> None:
    assert (asyncapi.DOCS / "asyncapi.yaml").read_text() == asyncapi.dump(asyncapi.document()), "run `make docs`"


def test_the_tables_are_what_the_messages_make() -> None:
    assert wire_tables.anew(PAGE, asyncapi.classes()) == PAGE, "run `make docs`"


def test_every_class_of_the_wire_has_its_table() -> None:
    assert set(re.findall(r"<!-- fields of (\w+) -->", PAGE)) == set(asyncapi.classes())


def test_every_topic_is_in_the_document_and_on_the_page() -> None:
    addresses = {each["address"] for each in asyncapi.document()["channels"].values()}

    kinds = {topics.topic("{project}", "{device}", kind) for kind in topics.UP + topics.DOWN}
    both = {make("{project}", "{device}") for make in (topics.classify_request, topics.classify_response)}
    assert addresses == kinds | both
    assert all(f"| `{address}` |" in PAGE for address in addresses)


def test_a_device_sends_what_goes_up_and_receives_what_goes_down() -> None:
    for each in asyncapi.CHANNELS:
        if each.name in topics.UP + topics.DOWN:
            assert each.action == ("send" if each.name in topics.UP else "receive")


def test_every_reference_leads_somewhere() -> None:
    text = (asyncapi.DOCS / "asyncapi.yaml").read_text()
    document = yaml.safe_load(text)
    for reference in re.findall(r"\$ref: '#/(.+)'", text):
        found = document
        for step in reference.split("/"):
            found = found[step]


@pytest.mark.parametrize(("topic", "payload"), EXAMPLES)
def test_an_example_of_the_page_can_be_read(topic: str, payload: str) -> None:
    address = topics.parse(topic)
    kind = KINDS[address.kind] if address else messages.Answer

    read = kind.loads(payload.encode())

    known = json.loads(read.dumps())
    assert set(json.loads(payload)) <= set(known), "a field that no message has"


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    policy, put = rules.Policy(), inspect.signature(storage.Storage.presign_put)
    assert f"at most {MAX_PAYLOAD:,} bytes" in PAGE
    assert f"| image | {messages.MAX_IMAGE_BYTES // 2**20} MiB, {header.MAX_PIXELS // 10**6} million pixels" in PAGE
    limits = f"{policy.device_per_hour} per hour and device, {policy.fleet_per_hour:,} per hour and project"
    assert f"| uploads | {limits}" in PAGE
    assert put.parameters["seconds"].default == 3600
    assert "valid for one hour" in PAGE


def test_every_message_has_an_example() -> None:
    assert {topic.rpartition("/")[2] for topic, _ in EXAMPLES if topic.startswith("strop/")} == set(KINDS)
