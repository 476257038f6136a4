"""The metrics of live accuracy are read from the tables."""

from datetime import UTC, datetime

from router import metrics
from strop import app, gauges
from strop_contracts import tables
from tests import factories, roles


async def test_the_newest_estimates_and_degraded_models_are_exposed(runtime: app.Runtime) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    about = {"project": factories.PROJECT, "model": "v1"}
    key = {"measure": "accuracy", "label": "", "device_group": "", "at": now, "window_seconds": 3600}
    async with roles.arranging(runtime).begin() as session:
        await factories.make_project(session)
        row = tables.QualityEstimate(**about, **key, estimate=0.9, low=0.8, high=0.95, labelled=50, predictions=500)
        session.add_all([row, tables.QualityModel(**about, degraded_at=now)])
    await gauges.measure(runtime.sessions, runtime.queues, "router", metrics.GAUGES)

    accuracy = {sample.labels["part"]: sample.value for sample in next(iter(metrics.FIELD_ACCURACY.collect())).samples}
    assert accuracy == {"estimate": 0.9, "low": 0.8, "high": 0.95}
    assert [sample.value for sample in next(iter(metrics.MODELS_DEGRADED.collect())).samples] == [1]
