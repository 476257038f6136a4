"""Rows of a fleet at work, as the services leave them, made by a few statements however many devices there are."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests import factories

_DEVICES = """
insert into devices (project, name, seen_at, model)
select :project, 'line-' || lpad(n::text, 6, '0'),
       case when n % 97 = 0 then null when n % 41 = 0 then now() - interval '30 hours' else now() - interval '1 second' * (n % 900) end,
       case when n % 97 = 0 then null when n % 20 = 0 then 'v3' else 'v2' end
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


async def make(session: AsyncSession, project: str, devices: int, captures: int) -> None:
    """Make a project with devices, a day of captures, and the labels of those that were uploaded."""
    await factories.make_project(session, project, devices=())
    values = {"project": project, "devices": devices, "captures": captures}
    for statement in (_DEVICES, _CAPTURES, _ROUTES, _TASKS, _TRUTH):
        await session.execute(text(statement), values)
