"""Giving answers and taking them back. The caller's transaction holds it all: annotation, ground truth and event."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from labeling_queue import kinds, labels, metrics, queries, rules
from strop import outbox
from strop_contracts import errors, events, states, tables
from strop_wire import ids

FOLDER = states.AnswerSource.FOLDER
"""Author and source of a label given by moving a file: the bucket does not report who moved it."""


async def submit(
    session: AsyncSession, task_id: UUID, author: str, source: str, answer: rules.Answer
) -> tables.Annotation:
    """Record an answer; the same one again changes nothing. Refused when the task is not the author's to answer."""
    task, holder = await queries.lock(session, task_id)
    standing = _standing(await queries.history(session, task_id))
    repeated = [each for each in standing if each.author == author and _read(each) == answer]
    if repeated:
        return repeated[-1]
    given = [_given(each) for each in standing]
    rules.check_turn(author, given, holder, is_open=task.state != states.TaskState.DONE)
    return await _record(session, task, author, source, answer)


async def file(session: AsyncSession, event: events.LabelFiled) -> None:
    """Record a file moved by hand as an answer that overrides those before it; our own moves change nothing.

    If a move is reported after a newer answer, that answer stands, and the file is moved to its folder. An unknown label
    becomes no answer: the capture waits until a person decides about it. It is kept as an answer that was taken back, so
    that the file leaves the folder when there is one that stands.
    """
    task = await queries.lock_of_capture(session, event.capture_id)
    if task and task.project != event.project:
        raise errors.InvalidMessage(f"capture {event.capture_id} belongs to another project")
    if task is None:
        raise errors.RetryLater(f"the image of capture {event.capture_id} is not stored yet")
    moved_at = min(event.at, await queries.now(session))
    filed = rules.read_answer(states.AnswerKind.LABEL, event.label)
    label = await labels.of_folder(session, task.project, str(filed.label))
    answer = rules.Answer(filed.answer, label)
    history = await queries.history(session, task.id)
    newest = next(reversed(_standing(history)), None)
    if (waits_since := await labels.waits_since(session, task.capture_id)) and waits_since > moved_at:
        return  # it was moved on, to the folder of an unknown label
    if newest and (_read(newest) == answer or newest.at > moved_at):
        waited = await labels.settle(session, task.capture_id, max(moved_at, newest.at))
        if waited or _read(newest) != filed:
            _keep(session, task, history, filed, moved_at)
            await _announce(session, task, newest.label, newest.author)
    elif await labels.is_known(session, task.project, label):
        if answer != filed:
            _keep(session, task, history, filed, moved_at)
        # Its time is that of the move: moves may be reported late, and the last one counts.
        await _record(session, task, FOLDER, FOLDER, answer, at=moved_at)
    else:
        _keep(session, task, history, filed, moved_at)
        await labels.wait(session, task.project, task.capture_id, label, moved_at)


async def withdraw(session: AsyncSession, capture_id: UUID) -> None:
    """Take back all answers to a capture: a person put its file back among those without a label. Its task is open again."""
    task = await queries.lock_of_capture(session, capture_id)
    if task is None or task.copy_due_at:
        raise errors.RetryLater(f"the copy of capture {capture_id} is being moved")
    now = await queries.now(session)
    for annotation in _standing(await queries.history(session, task.id)):
        annotation.undone_at = now
    await _conclude(session, task, FOLDER)


async def undo(
    session: AsyncSession, project: str, author: str, task_id: UUID | None = None
) -> tuple[tables.Annotation, tables.LabelTask]:
    """Take back the author's latest answer, or the latest to one task.

    Unless another answer stands, the task is open again and leased to the author.
    """
    annotation = await queries.lock_latest(session, project, author, task_id)
    if annotation is None:
        raise errors.NotFound("There is no answer of yours to take back.")
    task, _ = await queries.lock(session, annotation.task_id)
    now = await queries.now(session)
    annotation.undone_at = now
    if await _conclude(session, task, author):
        task.leased_by, task.leased_until = author, now + rules.LEASE
    return annotation, task


async def skip(session: AsyncSession, task_id: UUID, person: str) -> None:
    """Give a leased task back, to come after all others; changes nothing when the person does not hold it."""
    task, _ = await queries.lock(session, task_id)
    if task.leased_by == person:
        task.leased_by, task.leased_until = None, None
        task.priority += rules.SKIPPED


async def unskip(session: AsyncSession, task_id: UUID, person: str) -> None:
    """Lease a skipped task to the person again, at the place it had before; a repeat changes nothing.

    Refused when the task was answered or somebody else has it.
    """
    task, holder = await queries.lock(session, task_id)
    rules.check_open(task.state, person, holder)
    task.leased_by, task.leased_until = person, await queries.now(session) + rules.LEASE
    task.priority %= rules.SKIPPED


async def _record(
    session: AsyncSession,
    task: tables.LabelTask,
    author: str,
    source: str,
    answer: rules.Answer,
    **times: datetime,
) -> tables.Annotation:
    annotation = _annotation(task, author, source, answer, **times)
    session.add(annotation)
    await session.flush()  # the database sets its time
    task.leased_by, task.leased_until = None, None
    await _conclude(session, task, author)
    metrics.ANNOTATIONS.labels(task.project, answer.answer).inc()
    return annotation


def _keep(
    session: AsyncSession,
    task: tables.LabelTask,
    history: Sequence[tables.Annotation],
    filed: rules.Answer,
    at: datetime,
) -> None:
    """Keep the label of a file's folder as an answer that was taken back at once, unless it was given before."""
    if filed.label not in {each.label for each in history}:
        session.add(_annotation(task, FOLDER, FOLDER, filed, at=at, undone_at=at))


def _annotation(
    task: tables.LabelTask, author: str, source: str, answer: rules.Answer, **times: datetime
) -> tables.Annotation:
    about = {"project": task.project, "task_id": task.id, "author": author, "source": source}
    return tables.Annotation(id=ids.uuid7(), **about, answer=answer.answer, label=answer.label, **times)


async def _conclude(session: AsyncSession, task: tables.LabelTask, author: str) -> bool:
    """Update the task and the ground truth from the answers that stand, and announce a change; returns whether it is open.

    `author` gave an answer or took one back.
    """
    conclusion = kinds.of(task).conclude([_given(each) for each in _standing(await queries.history(session, task.id))])
    task.state = states.TaskState.OPEN if conclusion.open else states.TaskState.DONE
    truth = conclusion.truth
    if truth:
        await labels.settle(session, task.capture_id)
        about = {"capture_id": task.capture_id, "project": task.project, "device": task.device, "sha256": task.sha256}
        # A move may be older than the last training, which has not seen its label.
        at = await queries.now(session) if truth.author == FOLDER else truth.at
        await session.merge(tables.GroundTruth(**about, label=truth.label, author=truth.author, at=at))
        await _announce(session, task, truth.label, truth.author)
    elif before := await session.get(tables.GroundTruth, task.capture_id):
        await session.delete(before)
        await _announce(session, task, None, author)
    return conclusion.open


async def _announce(session: AsyncSession, task: tables.LabelTask, label: str | None, author: str) -> None:
    """Publish the ground truth of a task, and note that the copy of its image is to be moved."""
    task.copy_due_at = func.clock_timestamp()
    about = {"capture_id": task.capture_id, "project": task.project, "device": task.device}
    await outbox.add(session, events.ImageLabeled(**about, label=label, author=author))


def _standing(history: Sequence[tables.Annotation]) -> list[tables.Annotation]:
    """The answers that were not taken back, oldest first."""
    return [annotation for annotation in history if annotation.undone_at is None]


def _given(annotation: tables.Annotation) -> rules.Given:
    return rules.Given(annotation.author, _read(annotation), annotation.at)


def _read(annotation: tables.Annotation) -> rules.Answer:
    return rules.Answer(annotation.answer, annotation.label)
