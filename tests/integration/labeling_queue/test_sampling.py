"""Audits that the plan of live accuracy does not send to labelers."""

from sqlalchemy import select

from labeling_queue import annotations, handlers, queries, rules
from strop import app
from strop_contracts import control_quality, events, states, strata, tables
from tests import factories, roles

P = factories.PROJECT


async def stored(runtime: app.Runtime, share: float) -> tables.Capture:
    """Store an audit in a project that sends this share of its audits to labelers; returns its capture."""
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        capture = await factories.make_capture(session, factories.picture(), audit=True, confidence=0.95)
        await factories.make_image(session, capture)
        report = control_quality.Quality(at=capture.at, window_hours=1, audits=0, labelled=0)
        second = {capture.label: [share] * strata.COUNT}
        session.add(tables.QualityReport(project=P, report=report, second=second))
    about = {"capture_id": capture.id, "device": capture.device, "sha256": capture.sha256}
    async with runtime.sessions.begin() as session:
        await handlers.on_images_stored([events.ImageStored(project=P, **about)], session)
    return capture


async def test_an_audit_that_is_not_sampled_is_leased_to_nobody(runtime: app.Runtime) -> None:
    await stored(runtime, 0.0)
    async with runtime.sessions.begin() as session:
        (task,) = await session.scalars(select(tables.LabelTask))
        assert (task.state, task.probability, task.extra) == ("not_sampled", 0, True)
        assert await queries.lease(session, P, "ada", 5) == []


async def test_a_sampled_audit_keeps_its_probability(runtime: app.Runtime) -> None:
    await stored(runtime, 1.0)
    async with runtime.sessions.begin() as session:
        (task,) = await session.scalars(select(tables.LabelTask))
        assert (task.state, task.probability, task.extra) == ("open", 1, False)
        assert await queries.lease(session, P, "ada", 5) == [task.id]


async def test_an_answer_to_an_audit_that_is_not_sampled_keeps_probability_0(runtime: app.Runtime) -> None:
    """A person chose it, so live accuracy leaves it out."""
    capture = await stored(runtime, 0.0)
    async with runtime.sessions.begin() as session:
        task_id = await session.scalar(select(tables.LabelTask.id))
        assert task_id
        await annotations.submit(session, task_id, "ada", "api", rules.Answer(states.AnswerKind.LABEL, "mug"))
    async with runtime.sessions.begin() as session:
        truth = await session.get_one(tables.GroundTruth, capture.id)
        (task,) = await session.scalars(select(tables.LabelTask))
        assert (truth.label, task.state, task.probability) == ("mug", "done", 0)
