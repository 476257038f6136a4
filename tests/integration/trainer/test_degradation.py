"""A champion that became worse in the field starts a training."""

from datetime import UTC, datetime

from strop_contracts import events, tables
from tests import factories, roles
from tests.integration.trainer import lab as labs
from trainer import handlers, triggers


async def test_a_champion_worse_in_the_field_starts_a_training_once(lab):
    ticking = triggers.Triggers(lab.runtime, lab.settings)
    async with roles.arranging(lab.runtime).begin() as session:
        await factories.make_model(session, 1)
        degraded_at = datetime.now(UTC)
        session.add(tables.QualityModel(project=labs.PROJECT, model="v1", degraded_at=degraded_at))
    await lab.field("ring", count=1, audits=0)
    async with lab.runtime.sessions.begin() as session:
        worse = {"model": "v1", "value": 0.7, "low": 0.65, "high": 0.75, "expected": 0.9}
        await handlers.on_quality_degraded(events.QualityDegraded(project=labs.PROJECT, **worse), session)
    for _ in range(2):
        await ticking.tick()

    (run,) = [run for run in await lab.all(tables.TrainingRun) if run.state == "requested"]
    assert run.trigger == "degradation"
