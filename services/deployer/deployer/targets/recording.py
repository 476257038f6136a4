"""The target that delivers nothing: it keeps the orders in memory. An example of the interface, and the double of tests."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from deployer.targets import base
from strop_contracts import events


class RecordingTarget:
    """Accepts every order; `published` holds them in order, `generation` and `outcomes` are what it observes next."""

    def __init__(self) -> None:
        self.published: list[base.Order] = []
        self.announced: list[events.Event] = []
        self.generation: str | None = "1"
        self.outcomes: list[base.Outcome] = []

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        yield

    def ready(self) -> bool:
        return self.generation is not None

    async def publish(self, orders: Sequence[base.Order]) -> list[base.Assignment]:
        self.published += orders
        return [order.assignment for order in orders]

    async def announce(self, event: events.Event) -> None:
        self.announced.append(event)

    async def observe(self, awaited: Sequence[base.Assignment]) -> base.Observation:
        """Report once each outcome that is awaited."""
        ready = [outcome for outcome in self.outcomes if outcome.assignment in awaited]
        self.outcomes = [outcome for outcome in self.outcomes if outcome not in ready]
        return base.Observation(self.generation, ready)
