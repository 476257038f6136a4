"""When a project's evidence asks for a run: a training, or one more judgement of an undecided model. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from strop_contracts import states
from trainer.project_settings import ProjectSettings

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What has happened since the last training. Ages are seconds. Audits are golden: they are judged on, never trained on."""

    new: int  # labels to learn from since the last training started
    first_age: float | None  # age of the label that made them enough
    last_age: float | None  # age of the newest
    running: bool  # a run is requested or under way
    since_last: float | None  # since the last training ended; None when there was none
    new_label: tuple[str, int] | None = None  # the label that the newest model lacks with the most images to learn from
    undecided: int | None = None  # the newest undecided model that is newer than the champion
    audits: int = 0  # labelled since its last judgement
    audit_age: float | None = None  # age of the newest of them
    degraded: str | None = None  # the champion, if it became worse in the field after the last training started


@dataclass(frozen=True, slots=True)
class Decision:
    run: states.RunTrigger | None  # why a run is requested; None: not yet
    reasons: tuple[str, ...]
    recheck: float | None = None  # seconds after which it can differ without a new event; None: never
    judges: int | None = None  # the model that the run judges; None: it trains one


def decide(evidence: Evidence, wanted: ProjectSettings) -> Decision:
    """Decide whether a run starts now. A training comes first: its model is judged on all audits as well.

    A negative decision has all its reasons, and the time of the first that can lapse without an event.
    """
    demand = demanded(evidence, wanted)
    against = dict(_against(evidence, wanted, demand is not None))
    if demand and not against:
        return Decision(demand[0], (demand[1],), 0)
    audits = _audits(evidence, wanted)
    if audits and not evidence.running:
        if (left := wanted.debounce - (evidence.audit_age or 0)) <= 0:
            return Decision(states.RunTrigger.AUDITS, (audits,), 0, evidence.undecided)
        against[f"audits are still coming in: waiting for {wanted.debounce:g} s of quiet"] = left
    return Decision(None, tuple(against), min((each for each in against.values() if each), default=None))


def demanded(evidence: Evidence, wanted: ProjectSettings) -> tuple[states.RunTrigger, str] | None:
    """Return what asks for a training, and in words; None if nothing does."""
    if evidence.new >= wanted.min_labels:
        reason = f"{evidence.new} new labels to learn from, {wanted.min_labels} asked for"
        return states.RunTrigger.LABELS, reason
    if evidence.new and (label := evidence.new_label) and 0 < wanted.new_label_images <= label[1]:
        reason = f"{label[1]} images of {label[0]}, which no model has; {wanted.new_label_images} asked for"
        return states.RunTrigger.NEW_LABEL, reason
    if evidence.new and wanted.on_degradation and evidence.degraded:
        reason = (
            f"{evidence.degraded} is significantly worse in the field than in its evaluation, and there are new labels"
        )
        return states.RunTrigger.DEGRADATION, reason
    if evidence.new and wanted.every_hours and (evidence.since_last or 0) >= wanted.every_hours * _HOUR:
        reason = f"the last training ended {wanted.every_hours:g} hours ago or more, and there are new labels"
        return states.RunTrigger.SCHEDULE, reason
    return None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one kind of evidence is from starting a run."""

    name: str
    have: float
    need: float  # 0: it is off
    unit: str


def progress(evidence: Evidence, wanted: ProjectSettings) -> list[Progress]:
    """Return how far each trigger is. Audits are listed while a model is undecided."""
    label, images = evidence.new_label or ("", 0)
    hours = round((evidence.since_last or 0) / _HOUR, 1)
    rows = [
        Progress("new labels", evidence.new, wanted.min_labels, "labels"),
        Progress(f"new label {label}".strip(), images, wanted.new_label_images, "images"),
        Progress("schedule", hours, wanted.every_hours, "hours"),
        Progress("degradation", float(bool(evidence.degraded)), float(wanted.on_degradation), "degraded champion"),
    ]
    if evidence.undecided is not None:
        rows.append(Progress(f"v{evidence.undecided} undecided", evidence.audits, wanted.judge_audits, "audits"))
    return rows


def _against(evidence: Evidence, wanted: ProjectSettings, demand: bool) -> Iterator[tuple[str, float | None]]:
    """Each reason against a training, and the seconds after which it lapses; None if only an event can end it."""
    if not wanted.automatic:
        yield "automatic training is off for this project", None
    if not demand:
        yield (
            f"fewer than {wanted.min_labels} new labels to learn from (audits do not count)",
            _scheduled(evidence, wanted),
        )
    elif (left := _unsettled(evidence, wanted)) > 0:
        yield f"labels are still coming in: waiting for {wanted.debounce:g} s of quiet", left
    if evidence.running:
        yield "a training run is under way", None
    elif evidence.since_last is not None and evidence.since_last < wanted.cooldown:
        yield f"the last training ended less than {wanted.cooldown:g} s ago", wanted.cooldown - evidence.since_last


def _audits(evidence: Evidence, wanted: ProjectSettings) -> str | None:
    """Return in words that an undecided model can be judged on enough new audits."""
    if evidence.undecided is None or not 0 < wanted.judge_audits <= evidence.audits:
        return None
    return f"{evidence.audits} audits were labelled since v{evidence.undecided} was left undecided: it is judged again"


def _scheduled(evidence: Evidence, wanted: ProjectSettings) -> float | None:
    """Seconds until the schedule asks for a training; None if it never does."""
    if not (evidence.new and wanted.every_hours and evidence.since_last is not None):
        return None
    return wanted.every_hours * _HOUR - evidence.since_last


def _unsettled(evidence: Evidence, wanted: ProjectSettings) -> float:
    """Seconds until labels have paused long enough, or have waited long enough; not positive if that is so now."""
    return min(wanted.debounce - (evidence.last_age or 0), wanted.max_wait - (evidence.first_age or 0))
