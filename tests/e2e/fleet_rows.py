"""Rows of a fleet at work, as the services leave them, made by a few statements however many devices there are."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from strop_contracts import control_quality, states, tables
from tests import factories

_DEVICES = """
insert into devices (project, name, seen_at, model, device_group, agent, spool_items, spool_bytes, dropped, errors)
select :project, 'line-' || lpad(n::text, 6, '0'),
       case when n % 97 = 0 then null when n % 41 = 0 then now() - interval '30 hours' else now() - interval '1 second' * (n % 900) end,
       case when n % 97 = 0 then null when n % 20 = 0 then 'v3' else 'v2' end,
       (array['berlin', 'lyon', ''])[1 + n % 3], '0.3.0', n % 40, (n % 40) * 61000,
       case when n % 50 = 0 then '{"full": 12, "evicted": 3}' else '{}' end::jsonb,
       case when n % 60 = 0 then '["model v3: sha256 differs", "upload: HTTP 403"]' else '[]' end::jsonb
from generate_series(1, :devices) n
"""
_CAPTURES = """
insert into captures (id, project, device, at, captured_at, model, predictions, label, confidence, margin, reason, audit,
    audit_probability, probability, policy, sha256, size, content_type, seen)
select gen_random_uuid(), :project, 'line-' || lpad((1 + n % :devices)::text, 6, '0'), at, at, 'v2',
    '[{"label": "can", "confidence": 0.55}]', 'can', 0.55, 0.1, reason, reason = 'audit', 0.05, 0.4, 1,
    md5(n::text) || md5(n::text), 60000, 'image/jpeg', 1
from (select n, now() - interval '24 hours' * (n::float / :captures) ^ 1.3 as at,
             (array['low', 'low', 'low', 'high', 'audit', 'novel'])[1 + n % 6] as reason
      from generate_series(1, :captures) n) made
"""
_USAGE = """
insert into usage_hours (project, device, model, policy, hour, classified, rejected, failed, low, high, audit, predictions, latency)
select d.project, d.name, d.model, 1, date_trunc('hour', now()) - interval '1 hour' * h, 60 + h % 7, 2, h % 2, 8, 20, 3,
       '{"can": [0, 0, 0, 1, 2, 3, 4, 5, 10, 15], "bottle": [0, 0, 0, 0, 0, 1, 1, 2, 4, 6], "cup": [0, 0, 0, 0, 0, 0, 0, 1, 2, 3],
         "foil": [0, 0, 0, 0, 0, 0, 0, 0, 0, 2], "carton": [0, 0, 0, 0, 0, 0, 0, 0, 1, 1]}', array[0, 20, 30, 10, 0, 0, 0, 0, 0, 0]
from devices d, generate_series(0, :hours - 1) h where d.project = :project and d.model is not null
"""
_UPLOADS = """
insert into uploads (capture_id, state, stored_at)
select id, (array['stored', 'stored', 'granted', 'dropped'])[1 + get_byte(uuid_send(id), 1) % 4], now() from captures
where project = :project
"""
_ROUTES = """
insert into routes select id, project, device, at, get_byte(uuid_send(id), 0) < 90, reason, 0.4, 1 from captures
where project = :project
"""
_TASKS = """
insert into label_tasks (id, project, capture_id, device, sha256, state, priority)
select gen_random_uuid(), project, c.id, device, sha256, case when at > now() - interval '2 hours' then 'open' else 'done' end,
       margin
from captures c where project = :project and exists (select 1 from routes r where r.capture_id = c.id and r.upload)
"""
_TRUTH = """
insert into ground_truth (capture_id, project, device, sha256, label, author, at)
select capture_id, t.project, t.device, t.sha256, 'can', 'ada', c.at + interval '1 hour'
from label_tasks t join captures c on c.id = t.capture_id where t.project = :project and t.state = 'done'
"""


async def make(session: AsyncSession, project: str, devices: int, captures: int, hours: int = 6) -> None:
    """Make a project with devices and their counts of some hours, a day of captures, and the labels of those uploaded."""
    await factories.make_project(session, project, devices=())
    values = {"project": project, "devices": devices, "captures": captures, "hours": hours}
    for statement in (_DEVICES, _USAGE, _CAPTURES, _UPLOADS, _ROUTES, _TASKS, _TRUTH):
        await session.execute(text(statement), values)


HELD = {"held_at": datetime.now(UTC), "held_by": states.AUTOMATIC, "held_reason": "Label mix: harm was found"}
"""Columns of a rollout that a check has stopped."""


async def add_rollout(session: AsyncSession, project: str, **changes: Any) -> tables.Deployment:
    """Add a rollout of v3 over v2 in its second stage, which checks have looked at three times; `changes` replace columns."""
    begun = datetime.now(UTC) - timedelta(hours=2)
    columns = {"model_version": 3, "previous_version": 2, "kind": "rollout", "stages": [0.05, 0.25, 1.0], "stage": 1}
    waits = "415 of 2,000 predictions of v3, and 9 of 15 minutes"
    values = {**columns, "at": begun, "stage_at": begun, "waits_for": waits, "predictions": 415, "looks": 3, **changes}
    session.add(made := tables.Deployment(project=project, **values))
    await session.flush()
    await session.execute(text(_ROLLOUT_DEVICES), {"deployment": made.id, "project": project})
    for look in (1, 2, 3):
        for place, (name, verdict, sentence) in enumerate(CHECKS):
            found = verdict != "wait"
            row = {"new": 0.004 * look * (1 + place) if found else None, "old": -0.003 * look if found else None}
            row |= {"effect": 0.007 * look, "p": 0.4 / look} if found else {}
            numbers = {
                "threshold": 0.02 + 0.01 * place,
                "level": 0.0009 / look,
                "devices": 206,
                "predictions": 138 * look,
            }
            about = {"deployment_id": made.id, "look": look, "name": name, "project": project, "stage": 1}
            session.add(tables.RolloutCheck(**about, **numbers, **row, verdict=verdict, sentence=sentence))
    return made


async def add_quality(session: AsyncSession, project: str, hours: int = 72, **changes: Any) -> control_quality.Quality:
    """Add the router's report on v2 and v3, and their accuracy of each hour; `changes` replace fields of the report."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    about = {"labelled": 214, "images": 48_200, "free": 0.957}
    estimates = [
        {"model": model, "measure": "accuracy", "value": value, "low": value - 0.024, "high": value + 0.021, **more}
        for model, value, more in (
            ("v2", 0.931, about),
            ("v3", 0.884, {"labelled": 19, "images": 2_100}),
            ("v2", 0.902, {**about, "device_group": "berlin"}),
            ("v2", 0.944, {**about, "device_group": "lyon"}),
        )
    ]
    for place, label in enumerate(("bottle", "can", "carton", "cup", "foil")):
        for measure, value in (("precision", 0.97 - 0.03 * place), ("recall", 0.95 - 0.02 * place)):
            interval = {
                "value": value,
                "low": value - 0.05,
                "high": value + 0.02,
                "labelled": 60 - 11 * place,
                "images": 9_000,
            }
            estimates.append({"model": "v2", "measure": measure, "label": label, **interval})
    drift = {
        "model": "v2",
        "kind": "label",
        "label": "foil",
        "now": 0.11,
        "reference": 0.04,
        "p": 1e-6,
        "drifted": True,
    }
    novelty = {"model": "v2", "kind": "novelty", "now": 0.021, "reference": 0.02, "p": 0.4, "drifted": False}
    reason = "±2 points need 340 labelled audits a week; 300 may be labelled: ±2.2 points"
    plan = {"wished": 0.02, "half": 0.022, "met": False, "reason": reason, "audit_rate": 0.012, "labels": 300}
    worse = {"model": "v3", "since": now, "value": 0.884, "expected": 0.941}
    report = control_quality.Quality.model_validate({
        "at": now, "window_hours": 168, "audits": 260, "labelled": 233, "estimates": estimates, "plan": plan,
        "drift": [drift, novelty], "worse": [worse], **changes,
    })  # fmt: skip
    session.add(tables.QualityReport(project=project, report=report))
    for hour in range(hours):
        for model, level, first in (("v2", 0.93, hours), ("v3", 0.89, 12)):
            if hour < first:
                value = level + 0.008 * ((hour * 7) % 5 - 2) / 2
                numbers = {"low": value - 0.03, "high": value + 0.025, "labelled": 200, "predictions": 40_000}
                key = {"project": project, "model": model, "measure": "accuracy", "label": "", "device_group": ""}
                at = now - timedelta(hours=hour)
                session.add(tables.QualityEstimate(**key, at=at, window_seconds=604_800, estimate=value, **numbers))
    await session.flush()
    return report


_ROLLOUT_DEVICES = """
insert into deployment_devices (deployment_id, device, project, stage, state)
select :deployment, name, :project, case when place % 20 = 0 then 0 when place % 4 = 0 then 1 else 2 end,
       case when place % 20 = 0 or place % 8 = 0 then 'installed' when place % 100 = 68 then 'failed' when place % 4 = 0 then 'sent'
            else 'waiting' end
from (select name, row_number() over (order by name) as place from devices where project = :project) numbered
"""
CHECKS = (
    ("failed", "pass", "Images without a valid result: 0.1% before, 0.4% with v3 on 206 devices; 0.1% before, 0.1% now with v2 on 3914 devices. Difference +0.3 points, +2.0 points matters; p = 0.81, 0.0003 counts."),
    ("slower", "pass", "Time per image: 41 ms before, 43 ms with v3 on 206 devices; 41 ms before, 41 ms now with v2 on 3914 devices. Difference 1.0 times as slow, 2.0 times as slow matters; p = 1, 0.0003 counts."),
    ("labels", "breach", "Predictions of can: 21.3% before, 71.8% with v3 on 206 devices; 21.0% before, 20.6% now with v2 on 3914 devices. Difference +50.9 points, +20.0 points matters; p = 1.2e-09, 0.0003 counts."),
    ("accuracy", "wait", "4 labelled audits with v3, 31 with v2 since the start: 20 of each are needed."),
)  # fmt: skip
