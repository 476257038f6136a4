"""Topic names: at most 7 slashes and no leading slash, so that Mosquitto and AWS IoT Core both carry them."""

import re
from dataclasses import dataclass

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
"""What a project or a device may be called: safe as topic level, S3 key part, file name and IoT thing name."""

UP = ("capture", "state", "fetch")
DOWN = ("grant", "desired")


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of `strop/{project}/{device}/{kind}`."""

    project: str
    device: str
    kind: str


def topic(project: str, device: str, kind: str) -> str:
    return f"strop/{project}/{device}/{kind}"


def events(project: str) -> str:
    """Return the topic of what happened to a project as a whole; devices have no right to it."""
    return f"strop/{project}/events"


def classify_request(project: str, device: str) -> str:
    return f"request/classify/{project}/{device}"


def classify_response(project: str, device: str) -> str:
    return f"response/prediction/{project}/{device}"


def alias_request(alias: str) -> str:
    """Return the topic of the original walkthrough, with its leading slash."""
    return f"/request/classify/{alias}"


def alias_response(alias: str) -> str:
    return f"/response/prediction/{alias}"


def parse(text: str) -> Address | None:
    """Take a topic apart; None when it is not one of `strop/{project}/{device}/{kind}`."""
    parts = text.split("/")
    if len(parts) != 4 or parts[0] != "strop" or parts[3] not in UP + DOWN:
        return None
    if not (NAME.fullmatch(parts[1]) and NAME.fullmatch(parts[2])):
        return None
    return Address(*parts[1:])


def valid_name(text: str) -> bool:
    return NAME.fullmatch(text) is not None
