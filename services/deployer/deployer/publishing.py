"""Publishes to devices what they shall run: lease and commit, publish, confirm and commit.

No transaction is open while the target is called. A lease keeps other copies from a device while its order is on the way,
so an older order never follows a newer one. A crash leaves the lease, which ends by itself; then the device is still due
and its order is published again, which is idempotent: an order is the whole desired state, and a device that has it
does nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import groupby

from deployer import answers, leases, metrics, orders, policies, queries
from deployer.settings import Settings
from deployer.targets import base
from strop import db, loops

TIMEOUT = 10.0
"""Most seconds that a target has to accept the orders of a tick."""

LEASE = timedelta(seconds=15)
"""How long a device is reserved for an order: longer than TIMEOUT, so that no order is on the way when it ends."""

TURN = 5.0
"""Seconds after which a tick begins no further batch."""

AWAITED = 500
"""Devices without an outcome that a target observes in one tick."""


class Publishing:
    def __init__(self, make: db.Sessions, target: base.Target, settings: Settings) -> None:
        self._make = make
        self._target = target
        self._settings = settings
        self._generation: str | None = None

    async def tick(self) -> None:
        """Observe the target, then publish the orders that are due. Projects fail one by one."""
        async with self._make() as session:
            awaited = await leases.awaited(session, AWAITED)
        async with asyncio.timeout(TIMEOUT):
            seen = await self._target.observe(awaited)
        if seen.generation is None:
            return
        if seen.generation != self._generation:
            async with self._make.begin() as session:
                await leases.forget_sent(session)
            self._generation = seen.generation
        for project, outcomes in groupby(sorted(seen.outcomes, key=_project), _project):
            with loops.isolated(project=project):
                await self._record(list(outcomes))
        await self._publish_due()

    async def _record(self, outcomes: Sequence[base.Outcome]) -> None:
        async with self._make.begin() as session:
            for outcome in outcomes:
                await answers.record_outcome(session, outcome)

    async def _publish_due(self) -> None:
        """Publish batch by batch while they are full and accepted; for TURN seconds, so that the target is observed in between."""
        clock = asyncio.get_running_loop().time
        end = clock() + TURN
        more = True
        while more and clock() < end:
            async with self._pace(self._most()):
                more = await self._publish_batch(self._most())

    def _most(self) -> int:
        """Return how many orders a batch has at most: those of a second, if their rate is limited."""
        rate = self._settings.rate
        return min(self._settings.batch, max(1, int(rate))) if rate else self._settings.batch

    @asynccontextmanager
    async def _pace(self, orders: int) -> AsyncIterator[None]:
        """Let the body take as long as the rate allows for so many orders."""
        loop = asyncio.get_running_loop()
        end = loop.time() + (orders / self._settings.rate if self._settings.rate else 0)
        yield
        await asyncio.sleep(max(0.0, end - loop.time()))

    async def _publish_batch(self, most: int) -> bool:
        """Publish due orders of any projects, most `most` of them; returns whether there were as many and all were accepted."""
        left, refused = most, 0
        async with self._make() as session:
            projects = await leases.projects(session, left, self._settings.resend_after)
        for project in projects:
            with loops.isolated(project=project):
                leased, accepted = await self._publish(project, left)
                left, refused = left - leased, refused + leased - accepted
        return not (left or refused)

    async def _publish(self, project: str, limit: int) -> tuple[int, int]:
        """Publish the due orders of a project; returns how many devices were leased, and how many orders were accepted."""
        if not limit:
            return 0, 0
        async with self._make.begin() as session:
            await queries.lock(session, project)
            closed = await policies.closed_groups(session, project, self._settings)
            rows, until = await leases.lease(session, project, limit, self._settings.resend_after, LEASE, closed)
        due = [orders.read(row) for row in rows]
        async with asyncio.timeout(TIMEOUT):
            accepted = set(await self._target.publish([each.order for each in due]))
        done = [each for each in due if each.order.assignment in accepted]
        async with self._make.begin() as session:
            await queries.lock(session, project)  # what is confirmed is not withdrawn in this moment
            for withdrawn, policy in {(each.order.desired is None, each.policy) for each in done}:
                keys = [each.key for each in done if (each.order.desired is None, each.policy) == (withdrawn, policy)]
                await leases.confirm(session, keys, until, policy, withdrawn=withdrawn)
            await leases.release(session, [each.key for each in due], until)
        metrics.DESIRED_SENT.labels(project).inc(len(done))
        return len(due), len(done)


def _project(outcome: base.Outcome) -> str:
    return outcome.assignment.project
