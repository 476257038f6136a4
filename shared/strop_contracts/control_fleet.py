"""The JSON documents of the list of devices, for pages and the control API."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from strop_contracts import control


class Sort(StrEnum):
    """What a list of devices is sorted by."""

    NAME = "name"
    GROUP = "group"
    MODEL = "model"
    SEEN = "seen"
    SPOOL = "spool"
    DROPPED = "dropped"
    ERRORS = "errors"


class Page(control.Document):
    """Which devices of a project to list, in which order; without a value any."""

    group: str | None = None  # "" are the devices without a group
    model: str | None = None  # "" are the devices that have not reported a model
    name: str = ""  # part of the name
    only_errors: bool = False
    sort: Sort = Sort.NAME
    descending: bool = False
    offset: int = Field(0, ge=0)
    limit: int = Field(100, ge=1, le=1000)


class Device(control.Document):
    """A device: what it last reported, and what it counted in the last 24 hours."""

    name: str
    group: str  # "" is no group
    model: str | None  # version of the model that it runs
    agent: str | None  # version of its software
    seen_at: datetime | None  # its last state report
    spool_items: int
    spool_bytes: int
    dropped: dict[str, int]  # images lost since its boot, by reason
    errors: list[str]  # the latest ones
    classified: int = 0
    rejected: int = 0  # of these, novel to the model
    failed: int = 0  # other images: the model gave no valid result
    low: int = 0  # of the classified, kept as uncertain
    labels: dict[str, int]  # the classified images by predicted label, most frequent first


class Fleet(control.Document):
    """One page of the devices of a project."""

    total: int  # on all pages
    devices: list[Device]
