"""One batch of device messages in one transaction: a fixed number of statements, whatever the number of messages."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import metrics, queries, refusal_limits, rules, usage
from strop import inbox, outbox
from strop_contracts import events, tables, topology
from strop_wire import reports

log = structlog.get_logger()

Models = Mapping[rules.Device, str | None]
"""The model of each enrolled device, as far as it was reported."""


class Message(Protocol):
    """What a source delivers of a device."""

    @property
    def topic(self) -> str:
        """Return the topic of the wire, which names project, device and kind."""

    @property
    def payload(self) -> bytes:
        """Return the payload as the device sent it."""


@dataclass(slots=True)
class Result:
    """What a batch led to: dead letters, and answers to be published after the commit."""

    received: Counter[str] = field(default_factory=Counter)  # messages by kind
    captured: Counter[str] = field(default_factory=Counter)  # new captures by project
    new_captures: list[UUID] = field(default_factory=list)  # and their ids
    refused: list[rules.Refusal] = field(default_factory=list)
    letters: list[rules.Refusal] = field(default_factory=list)  # of these, the dead letters: within the limits
    decided: list[queries.Decided] = field(default_factory=list)
    unknown: list[tuple[rules.Device, UUID]] = field(default_factory=list)  # lost captures that have no row
    files: list[tuple[rules.Device, list[tables.ModelFile]]] = field(default_factory=list)

    def count(self) -> None:
        """Add to the metrics, once it is committed."""
        for kind, number in self.received.items():
            metrics.MQTT_RECEIVED.labels(kind).inc(number)
        for project, number in self.captured.items():
            metrics.CAPTURES.labels(project).inc(number)
        for refusal in self.refused:
            metrics.MQTT_REFUSED.labels(refusal.kind).inc()


async def store(
    session: AsyncSession, batch: Sequence[Message], limits: refusal_limits.RefusalLimits, *, retried: bool = False
) -> Result:
    """Store what is new, collect the answers, write dead letters of what is refused. The caller commits.

    A refused message that was `retried` always becomes a dead letter again.
    """
    result = Result()
    read = _read(batch, result)
    captures = [each for each in read if each.address.kind == "capture"]
    others = [each for each in read if each.address.kind != "capture"]
    # Begins a transaction. A batch of nothing but captures needs none: its single statement is its own transaction.
    models = await queries.devices.lock(session, {each.device for each in others}) if others else {}
    not_enrolled = await _captures(session, captures, result) if captures else []
    by_kind: dict[str, list[rules.DeviceMessage]] = {}
    for each in others:
        if each.device in models:
            by_kind.setdefault(each.address.kind, []).append(each)
        else:
            not_enrolled.append(each)
    if reported := by_kind.get("state"):  # after the captures, which they may report as lost
        await _states(session, reported, models, result)
    if fetches := by_kind.get("fetch"):
        await _fetches(session, fetches, result)
    result.letters = list(result.refused) if retried else limits.within(result.refused)
    await _bury(session, result.letters)
    await _refuse_not_enrolled(session, not_enrolled, result, retried=retried)
    return result


async def refuse(
    session: AsyncSession, batch: Sequence[Message], limits: refusal_limits.RefusalLimits, reason: str
) -> Result:
    """Write dead letters of messages that cannot be stored. The caller commits."""
    refused = [
        rules.Refusal("malformed", rules.letter(each.topic, each.payload), reason, rules.sender(each.topic))
        for each in batch
    ]
    result = Result(refused=refused, letters=limits.within(refused))
    await _bury(session, result.letters)
    return result


async def _bury(session: AsyncSession, refused: Sequence[rules.Refusal]) -> None:
    await outbox.bury(session, "ingest", [(each.letter, each.reason) for each in refused])


def _read(batch: Sequence[Message], result: Result) -> list[rules.DeviceMessage]:
    read = []
    for message in batch:
        match rules.read(message.topic, message.payload):
            case rules.Refusal() as refusal:
                result.refused.append(refusal)
            case rules.DeviceMessage() as well_formed:
                result.received[well_formed.address.kind] += 1
                read.append(well_formed)
    return read


# --- devices that are not enrolled ---


async def _refuse_not_enrolled(
    session: AsyncSession, sent: Sequence[rules.DeviceMessage], result: Result, *, retried: bool
) -> None:
    by_device: dict[rules.Device, list[rules.DeviceMessage]] = {}
    for each in sent:
        by_device.setdefault(each.device, []).append(each)
    for device in sorted(by_device):  # in one order: concurrent batches would deadlock on each other's claims
        refused = [rules.refusal(each, "unknown", _not_enrolled(*device)) for each in by_device[device]]
        result.refused.extend(refused)
        if retried or await _first_this_hour(session, device):
            await _bury(session, refused[:1])


def _not_enrolled(project: str, name: str) -> str:
    return f"device {name} of project {project} is not enrolled: `strop devices add {project} {name}`"


async def _first_this_hour(session: AsyncSession, device: rules.Device) -> bool:
    """Whether a device that is not enrolled has no dead letter of this hour yet: it repeats itself every few seconds.

    Nothing is lost: its captures stay in its spool and are announced until it is enrolled.
    """
    log.warning("device_not_enrolled", project=device[0], device=device[1])
    return await inbox.claim(session, "ingest-not-enrolled", f"{'/'.join(device)} {datetime.now(UTC):%Y-%m-%dT%H}")


# --- captures ---


async def _captures(
    session: AsyncSession, announced: Sequence[rules.DeviceMessage], result: Result
) -> list[rules.DeviceMessage]:
    """Insert new captures, each with its event; answer repeats from their rows. Returns those of devices not enrolled."""
    keyed = [((*each.device, row["id"]), each, row) for each in announced for row in (rules.capture_row(each),)]
    first = {key: row for key, _, row in reversed(keyed)}  # a second one in the same batch is a repeat
    new = [{**row, "body": _received(*key)} for key, row in first.items()]
    others = await queries.captures.insert(session, new, topology.ROUTES[events.CaptureReceived])
    not_enrolled, repeats = [], []
    for key, each, row in keyed:
        if not others.get(key, True):
            not_enrolled.append(each)
        elif key in others or first[key] is not row:
            repeats.append((each, row))
        else:
            result.new_captures.append(row["id"])
            result.captured[row["project"]] += 1
    if repeats:
        await _repeats(session, repeats, result)
    return not_enrolled


def _received(project: str, device: str, capture: UUID) -> str:
    return outbox.body(events.CaptureReceived(project=project, capture_id=capture, device=device))


async def _repeats(
    session: AsyncSession, repeats: Sequence[tuple[rules.DeviceMessage, Mapping[str, Any]]], result: Result
) -> None:
    """Answer each from its row, and refuse those that differ from it."""
    rows = await queries.captures.get(session, {row["id"] for _, row in repeats})
    for each, row in repeats:
        capture, upload = rows[row["id"]]
        if differs := rules.difference(row, capture):
            reason = f"capture {row['id']} is known with another {differs}"
            result.refused.append(rules.refusal(each, "conflict", reason))
        elif upload:
            result.decided.append((capture, upload))


# --- states ---


async def _states(
    session: AsyncSession, received: Sequence[rules.DeviceMessage], models: Models, result: Result
) -> None:
    """Store the newest state of each boot; add an event for every outcome and every change of the model.

    Captures that a state reports as lost are dropped and answered.
    """
    if lost := rules.lost(received):
        await queries.uploads.drop_lost(session, lost)
        await _lost(session, lost, result)
    await _count(session, received)
    newest = rules.newest(received)
    newer = await queries.devices.upsert_reports(session, newest)
    outcomes = [rules.reported(each.device, state) for each in received if (state := rules.state(each)).answer]
    latest = {}
    for (project, device, boot), state in newest.items():
        if (project, device, boot) in newer:
            latest[project, device] = state
            if state.model != models[project, device]:
                outcomes.append(rules.reported((project, device), state))
    await outbox.add(session, *{event.id: event for event in outcomes}.values())
    await queries.devices.set_latest(session, latest)


def now() -> datetime:
    """Return the time of receipt."""
    return datetime.now(UTC)


async def _count(session: AsyncSession, received: Sequence[rules.DeviceMessage]) -> None:
    """Store the maximum of each count, and add to this hour what it increased by. Every state counts, also an old one."""
    reported = usage.reported(received)
    if not reported:
        return
    at = now()
    hour = at.replace(minute=0, second=0, microsecond=0)
    stored = await queries.usage.get(session, {key[:3] for key in reported})
    changed: dict[usage.Key, tuple[int, reports.Usage]] = {}
    hours: dict[usage.HourKey, dict[str, Any]] = {}
    for key, (sequence, counts) in (await _within_limits(session, reported, stored)).items():
        last, known = stored.get(key, (0, usage.EMPTY))
        if (maximum := usage.maximum(known, counts)) != known:
            changed[key] = max(last, sequence), maximum
            hour_key, more = (*key[:2], *key[3:], hour), usage.increase(known, maximum)
            hours[hour_key] = usage.total(hours[hour_key], more) if hour_key in hours else more
    await queries.usage.put(session, changed, at)
    await queries.usage.add_to_hours(session, hours)


async def _within_limits(session: AsyncSession, reported: usage.Reported, stored: usage.Reported) -> usage.Reported:
    """Return what is stored already, and what is new as far as the device has room for more rows.

    Nothing of the others is lost while their boot continues: its next state has their counts too.
    """
    new = [key for key in reported if key not in stored]
    if not new:
        return reported
    rows = await queries.usage.rows_of(session, {key[:2] for key in new})
    refused = set()
    for key in new:
        rows[key[:2]] += 1
        if rows[key[:2]] > usage.MAX_ROWS:
            refused.add(key)
    for project, device in {key[:2] for key in refused}:
        log.warning("usage_limited", project=project, device=device, limit=usage.MAX_ROWS)
    metrics.USAGE_REFUSED.inc(len(refused))
    return {key: value for key, value in reported.items() if key not in refused}


async def _lost(session: AsyncSession, lost: Collection[tuple[rules.Device, UUID]], result: Result) -> None:
    """Answer each, since the device reports it until then; one without a row is answered as unknown."""
    rows = await queries.captures.get(session, {id_ for _, id_ in lost})
    for device, id_ in lost:
        capture, upload = rows.get(id_, (None, None))
        if capture and upload and device == (capture.project, capture.device):
            result.decided.append((capture, upload))
        else:
            result.unknown.append((device, id_))


# --- fetches ---


async def _fetches(session: AsyncSession, requested: Sequence[rules.DeviceMessage], result: Result) -> None:
    """Collect the files that devices request; hashes without a file are refused."""
    wanted = {(each.address.project, sha256) for each in requested for sha256 in rules.fetched(each)}
    stored = await queries.devices.model_files(session, wanted)
    for each in requested:
        keys = [(each.address.project, sha256) for sha256 in rules.fetched(each)]
        if files := [stored[key] for key in keys if key in stored]:
            result.files.append((each.device, files))
        if missing := [sha256 for project, sha256 in keys if (project, sha256) not in stored]:
            reason = f"no file of a model has the hash {', '.join(missing)}"
            result.refused.append(rules.refusal(each, "missing", reason))
