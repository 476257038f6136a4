"""The JSON documents of the control API about live accuracy."""

from datetime import datetime

from pydantic import Field

from strop_contracts import control


class Estimate(control.Document):
    """An estimated share of right images with its 95 % interval."""

    model: str
    measure: str  # accuracy, precision or recall
    label: str = ""  # '' for all
    device_group: str = ""  # '' for all
    value: float
    low: float
    high: float
    labelled: float  # effective number of labelled audits
    images: float  # that it is about
    free: float | None = None  # of accuracy: the mean confidence, which needs no labels


class Plan(control.Document):
    """The audits that the wished precision needs. Half widths are shares: 0.02 is ±2 points."""

    wished: float  # half width; 0: none was asked for
    half: float  # that the plan gives
    met: bool
    reason: str  # in words
    audit_rate: float
    labels: float  # labelled audits in a window
    label_half: dict[str, float] = Field(default_factory=dict)  # of the precision of each label


class Change(control.Document):
    """A quantity of a model's predictions in the newest hours, beside the first hours of the model."""

    model: str
    kind: str  # label, confidence or novelty
    label: str = ""
    now: float
    reference: float
    p: float
    drifted: bool


class Worse(control.Document):
    """A model that is significantly worse in the field than on the held-out field images of its evaluation."""

    model: str
    since: datetime
    value: float
    expected: float


class Point(control.Document):
    """The accuracy of a model at one time."""

    model: str
    at: datetime
    value: float
    low: float
    high: float


class Quality(control.Document):
    """What the models of a project get right in the field. Shares; the estimates are of the last `window_hours` hours."""

    at: datetime
    window_hours: float
    audits: int  # in the window
    labelled: int  # of these
    estimates: list[Estimate] = Field(default_factory=list)
    plan: Plan | None = None
    drift: list[Change] = Field(default_factory=list)
    worse: list[Worse] = Field(default_factory=list)
    history: list[Point] = Field(default_factory=list)  # the oldest first; only in the answer of the route
