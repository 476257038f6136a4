"""A trainer's hold on a run: a token and a time. Every write that matters is conditional on the token.

So a trainer that was thought dead and comes back can change nothing, and two never make two models of one run.
"""

import asyncio
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from strop import db
from strop_contracts import documents, tables
from strop_wire import ids
from trainer import queries

log = structlog.get_logger()


class Lost(Exception):
    """Another trainer took this run over."""


class Lease:
    def __init__(self, make: db.Sessions, run: tables.TrainingRun, seconds: float) -> None:
        """`run` was leased with `take`; the lease runs out `seconds` after the last sign of life."""
        assert run.lease
        self._make = make
        self._run_id = run.id
        self._project = run.project
        self._token = run.lease
        self._seconds = seconds
        self._progress = documents.Progress()

    async def tell(self, progress: documents.Progress) -> None:
        """Store the progress, which prolongs the lease; Lost when it is not ours any more."""
        self._progress = progress
        await self.hold()

    async def hold(self) -> None:
        """Prolong, in a transaction of its own; Lost when it is not ours any more."""
        async with self._make.begin() as session:
            await self.prove(session)

    async def prove(self, session: AsyncSession) -> None:
        """Prolong, in the caller's transaction: until its end no other trainer can take the run."""
        if not await queries.renew(session, self._run_id, self._token, self._seconds, self._progress):
            raise Lost

    async def end(self, session: AsyncSession, **values: Any) -> None:
        """End the run and schedule the project's trigger, in the caller's transaction; Lost when it is not ours to end."""
        if not await queries.finish(session, self._run_id, self._token, **values):
            raise Lost
        await queries.schedule(session, [self._project])

    async def keep(self) -> None:
        """Prolong while the work goes on, however long that is silent."""
        while True:
            await asyncio.sleep(self._seconds / 3)
            try:
                await self.hold()
            except Lost:
                raise
            except Exception:  # the next try may do; if the lease runs out meanwhile, the last write is refused
                log.exception("cannot prolong the lease, trying again", run=str(self._run_id))


async def take(make: db.Sessions, run_id: UUID, seconds: float) -> tables.TrainingRun | None:
    """Take a run without a valid lease, in a separate transaction; None if it is done or leased."""
    async with make.begin() as session:
        return await queries.lease(session, run_id, ids.uuid7(), seconds)
