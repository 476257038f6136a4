"""What the router decides for a capture, as a pure function of the policy and of what the fleet did lately."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from strop_contracts import errors
from strop_wire import fields, messages

_DEVICE = messages.Policy()


class Policy(BaseModel):
    """One version of a project's policy: which captures are wanted. Those of the wire's policy a device applies alone as well."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    measure: Literal["margin", "confidence"] = Field(
        "margin",
        description="what low and high are compared with: the distance of the two best confidences, or the best",
    )
    low: float = Field(_DEVICE.low, ge=0, le=1, description="below: uncertain, always wanted")
    high: float = Field(_DEVICE.high, ge=0, le=1, description="above: very confident, wanted now and then")
    high_rate: float = Field(_DEVICE.high_rate, ge=0, le=1, description="share of those above high that a device keeps")
    audit_rate: float = Field(_DEVICE.audit_rate, ge=0, le=1, description="share of all images kept as a random sample")
    thresholds: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        {}, description="least confidence of a device's answers by label, in place of the model's: can=0.7,jar=0.5"
    )
    reject_novel: bool = Field(
        _DEVICE.reject_novel, description="devices answer no label for images above the model's novelty threshold"
    )
    device_per_hour: int = Field(200, ge=0, description="uploads of one device in any hour, audits not counted")
    fleet_per_hour: int = Field(5000, ge=0, description="uploads of the whole project in any hour, audits not counted")
    quality_points: float = Field(
        0.0, ge=0, le=50, description="wished precision of live accuracy: 2 is ±2 points, and sets audit_rate; 0: none"
    )
    quality_label_points: float = Field(
        0.0, ge=0, le=50, description="the same for the precision of each label, where possible; 0: none"
    )
    quality_hours: float = Field(168.0, ge=1, le=192, description="hours of the window of live accuracy")
    quality_level: float = Field(0.95, ge=0.5, le=0.999, description="confidence level of the wished precision")
    quality_labels: int = Field(0, ge=0, description="most audits to label in a window; 0: no limit")

    @field_validator("thresholds", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Read LABEL=SHARE words, separated by commas, or a JSON object, as the command sends them; an empty text has none."""
        if not isinstance(value, str):
            return value
        if value.startswith("{"):
            return json.loads(value)
        words = [word.rpartition("=") for word in value.split(",") if word.strip()]
        return {fields.label(name.strip()): share for name, _, share in words}

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


def changed(policy: Policy, changes: Mapping[str, Any]) -> Policy:
    """Return a policy with some values changed; Refused names a wrong value."""
    if unknown := sorted(set(changes) - set(Policy.model_fields)):
        raise errors.Refused(f"a policy has no {', '.join(unknown)}; it has {', '.join(Policy.model_fields)}")
    try:
        return Policy.model_validate({**policy.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise errors.Refused(": ".join([*map(str, first["loc"]), first["msg"]])) from error


@dataclass(frozen=True, slots=True)
class Captured:
    """The facts of a capture for the decision."""

    reason: str  # why the device kept it
    audit: bool
    audit_probability: float
    probability: float  # that the device keeps such an image
    margin: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """What was asked for before."""

    duplicate: bool  # another capture with the same bytes
    device: int  # uploads of this device within the last hour, audits not counted
    total: int  # uploads of the project within the last hour, audits not counted


@dataclass(frozen=True, slots=True)
class Decision:
    upload: bool
    reason: str
    probability: float


@dataclass(slots=True)
class Lately:
    """What the fleet was asked for before, kept up to date while one capture after the other is decided on."""

    wanted: set[str]  # hashes of images that were asked for
    devices: Counter[str]  # uploads within the last hour, audits not counted
    total: int

    def fleet(self, device: str, sha256: str) -> Fleet:
        return Fleet(sha256 in self.wanted, self.devices[device], self.total)

    def count(self, device: str, sha256: str, decision: Decision) -> None:
        """Take a decision into account: audits neither use a budget nor are limited by one, but their images count as duplicates."""
        if decision.upload:
            self.wanted.add(sha256)
            if decision.reason != "audit":
                self.devices[device] += 1
                self.total += 1


def decide(capture: Captured, policy: Policy, fleet: Fleet) -> Decision:
    """Decide on one capture.

    The inclusion probability is that of such an image being kept by the device and wanted here. An audit is drawn before
    anything else and always wanted, so where the rules say no, an image still comes in with the audit's probability;
    where they say yes, with the device's. It is conditional on what the fleet did before (budgets, duplicates).
    """
    reason = _interest(capture, policy)
    refusal = _refusal(reason, policy, fleet)
    probability = capture.audit_probability if refusal else capture.probability
    if capture.audit:
        return Decision(True, "audit", probability)
    return Decision(not refusal, refusal or reason, probability)


def _interest(capture: Captured, policy: Policy) -> str:
    """Why a capture is of interest under this policy; the device may have applied an older one."""
    if capture.reason in {"novel", "request"}:
        return capture.reason
    value = capture.margin if policy.measure == "margin" else capture.confidence
    if value < policy.low:
        return "low"
    return "high" if value > policy.high else "between"


def _refusal(reason: str, policy: Policy, fleet: Fleet) -> str | None:
    if reason == "between":
        return reason
    if fleet.duplicate:
        return "duplicate"
    if fleet.device >= policy.device_per_hour:
        return "device-budget"
    if fleet.total >= policy.fleet_per_hour:
        return "fleet-budget"
    return None
