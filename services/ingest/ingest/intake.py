"""One batch of MQTT messages in one transaction: a fixed number of statements, however many messages."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import metrics, queries, refusal_limits, rules
from strop import inbox, mqtt, outbox
from strop_contracts import events, tables, topology
from strop_wire import messages, reports

log = structlog.get_logger()

Known = Mapping[rules.Device, str | None]


@dataclass(slots=True)
class Result:
    """What a batch led to: dead letters, and answers to be told after the commit."""

    received: Counter[str] = field(default_factory=Counter)  # messages by kind
    new: Counter[str] = field(default_factory=Counter)  # captures by project
    fresh: list[UUID] = field(default_factory=list)  # and their ids
    refused: list[rules.Refusal] = field(default_factory=list)
    letters: list[rules.Refusal] = field(
        default_factory=list
    )  # those of them that become dead letters, within the limits
    captures: list[queries.Pair] = field(default_factory=list)
    unknown: list[tuple[rules.Device, UUID]] = field(default_factory=list)  # lost captures of which we have nothing
    files: list[tuple[rules.Device, list[tables.ModelFile]]] = field(default_factory=list)

    def count(self) -> None:
        """Add to the metrics, once it is committed."""
        for kind, number in self.received.items():
            metrics.MQTT_RECEIVED.labels(kind).inc(number)
        for project, number in self.new.items():
            metrics.CAPTURES.labels(project).inc(number)
        for refusal in self.refused:
            metrics.MQTT_REFUSED.labels(refusal.kind).inc()


async def store(
    session: AsyncSession, batch: Sequence[mqtt.Message], limits: refusal_limits.RefusalLimits, *, retried: bool = False
) -> Result:
    """Store what is new, collect what is to be answered, bury what is refused; what was `retried` always has a letter again."""
    result = Result()
    read = _read(batch, result)
    captures = [each for each in read if each.address.kind == "capture"]
    others = [each for each in read if each.address.kind != "capture"]
    # Begins a transaction. A batch of nothing but captures needs none: its one statement commits by itself.
    known = await queries.models_of_devices(session, {each.device for each in others}) if others else {}
    not_enrolled = await _captures(session, captures, result) if captures else []
    by_kind: dict[str, list[rules.Announcement]] = {}
    for each in others:
        if each.device in known:
            by_kind.setdefault(each.address.kind, []).append(each)
        else:
            not_enrolled.append(each)
    if states := by_kind.get("state"):  # after the captures, which they may report as lost
        await _states(session, states, known, result)
    if fetches := by_kind.get("fetch"):
        await _fetches(session, fetches, result)
    result.letters = list(result.refused) if retried else limits.within(result.refused)
    await _bury(session, result.letters)
    strangers: dict[rules.Device, list[rules.Announcement]] = {}
    for each in not_enrolled:
        strangers.setdefault(each.device, []).append(each)
    for device in sorted(strangers):  # in one order, or two batches at once wait for the claims of each other
        refused = _strangers(device, strangers[device])
        result.refused.extend(refused)
        if retried or await _first_this_hour(session, device):
            await _bury(session, refused[:1])
    return result


def _strangers(device: rules.Device, said: Sequence[rules.Announcement]) -> list[rules.Refusal]:
    reason = f"device {device[1]} of project {device[0]} is not enrolled: `strop devices add {device[0]} {device[1]}`"
    return [rules.refuse(each, "unknown", reason) for each in said]


async def _first_this_hour(session: AsyncSession, device: rules.Device) -> bool:
    """Whether a device that is not enrolled has had no dead letter this hour: it says the same every few seconds.

    Nothing is lost by the others: its captures stay in its spool and are announced until somebody enrols it.
    """
    log.warning("device is not enrolled", project=device[0], device=device[1])
    return await inbox.claim(session, "ingest-strangers", f"{'/'.join(device)} {datetime.now(UTC):%Y-%m-%dT%H}")


async def _bury(session: AsyncSession, refused: Sequence[rules.Refusal]) -> None:
    await outbox.bury(session, "ingest", [(each.letter, each.reason) for each in refused])


async def refuse(
    session: AsyncSession, batch: Sequence[mqtt.Message], limits: refusal_limits.RefusalLimits, reason: str
) -> Result:
    """Bury messages that cannot be stored."""
    refused = [
        rules.Refusal("malformed", rules.letter(each.topic, each.payload), reason, rules.sender(each.topic))
        for each in batch
    ]
    result = Result(refused=refused, letters=limits.within(refused))
    await _bury(session, result.letters)
    return result


def _read(batch: Sequence[mqtt.Message], result: Result) -> list[rules.Announcement]:
    read = []
    for message in batch:
        match rules.read(message.topic, message.payload):
            case rules.Refusal() as refusal:
                result.refused.append(refusal)
            case announcement:
                result.received[announcement.address.kind] += 1
                read.append(announcement)
    return read


async def _captures(
    session: AsyncSession, announced: Sequence[rules.Announcement], result: Result
) -> list[rules.Announcement]:
    """Insert new captures, each with its event; answer repeats from their rows. Returns those of devices not enrolled."""
    keyed = [((*each.device, row["id"]), each, row) for each in announced for row in (rules.capture_row(each),)]
    first = {key: row for key, _, row in reversed(keyed)}  # a second one in the same batch is a repeat
    new = [{**row, "body": _received(*key)} for key, row in first.items()]
    others = await queries.insert_captures(session, new, topology.ROUTES[events.CaptureReceived])
    strangers, repeats = [], []
    for key, each, row in keyed:
        if not others.get(key, True):
            strangers.append(each)
        elif key in others or first[key] is not row:
            repeats.append((each, row))
        else:
            result.fresh.append(row["id"])
            result.new[row["project"]] += 1
    if repeats:
        await _repeats(session, repeats, result)
    return strangers


def _received(project: str, device: str, capture: UUID) -> str:
    return outbox.body(events.CaptureReceived(project=project, capture_id=capture, device=device))


async def _repeats(
    session: AsyncSession, repeats: Sequence[tuple[rules.Announcement, Mapping[str, Any]]], result: Result
) -> None:
    """Answer each from its row, and refuse those that differ from it."""
    known = await queries.captures(session, {row["id"] for _, row in repeats})
    for each, row in repeats:
        capture, upload = known[row["id"]]
        if differs := rules.difference(row, capture):
            reason = f"capture {row['id']} is known with another {differs}"
            result.refused.append(rules.refuse(each, "conflict", reason))
        elif upload:
            result.captures.append((capture, upload))


async def _states(session: AsyncSession, said: Sequence[rules.Announcement], known: Known, result: Result) -> None:
    """Keep the newest state of each boot; pass on every answer, every change of the model and every lost capture."""
    if lost := rules.lost(said):
        await queries.drop_lost(session, lost)
        await _lost(session, lost, result)
    newest = rules.newest(said)
    news = await queries.upsert_reports(session, newest)
    happened = {}
    running = {}
    for each in said:
        state = each.content
        assert isinstance(state, reports.State)
        if state.answer:
            event = rules.reported(each.device, state)
            happened[event.id] = event
    for (project, device, boot), state in newest.items():
        if (project, device, boot) in news:
            running[project, device] = state.model
            if state.model != known[project, device]:
                event = rules.reported((project, device), state)
                happened[event.id] = event
    await outbox.add(session, *happened.values())
    await queries.update_devices(session, running)


async def _lost(session: AsyncSession, lost: Collection[tuple[rules.Device, UUID]], result: Result) -> None:
    """Answer each: the device tells it until then. What we do not know of it we need not hear again."""
    rows = await queries.captures(session, {id_ for _, id_ in lost})
    for device, id_ in lost:
        capture, upload = rows.get(id_, (None, None))
        if capture and upload and device == (capture.project, capture.device):
            result.captures.append((capture, upload))
        else:
            result.unknown.append((device, id_))


async def _fetches(session: AsyncSession, asked: Sequence[rules.Announcement], result: Result) -> None:
    """Find the files that devices ask for."""
    wanted = {
        (each.address.project, sha256)
        for each in asked
        if isinstance(each.content, messages.Fetch)
        for sha256 in each.content.files
    }
    found = await queries.model_files(session, wanted)
    for each in asked:
        assert isinstance(each.content, messages.Fetch)
        hashes = each.content.files
        files = [found[each.address.project, sha256] for sha256 in hashes if (each.address.project, sha256) in found]
        if files:
            result.files.append((each.device, files))
        if missing := [sha256 for sha256 in hashes if (each.address.project, sha256) not in found]:
            reason = f"no file of a model has the hash {', '.join(missing)}"
            result.refused.append(rules.refuse(each, "missing", reason))
