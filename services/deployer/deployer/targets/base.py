"""The interface of a target: a way to deliver to devices what they shall run. It assumes neither a broker nor a connection."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from strop_contracts import errors, events, states
from strop_wire import messages

Installed = Literal[states.InstallState.INSTALLED, states.InstallState.FAILED]


class Unreachable(errors.RetryLater):
    """The target did not accept what was published."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A device and the deployment that it follows."""

    project: str
    device: str
    deployment_id: UUID


@dataclass(frozen=True, slots=True)
class Order:
    """What a device shall run; `desired` None withdraws what was published for it before."""

    assignment: Assignment
    desired: messages.Desired | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a target reports of an order: installed or failed, and why it failed."""

    assignment: Assignment
    state: Installed
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """The state of a target.

    `generation` None: it is unreachable. Another generation than before: it may have lost what was published, so everything
    is published again. `outcomes` is empty for a target whose devices report to ingest.
    """

    generation: str | None
    outcomes: Sequence[Outcome] = ()


class Target(Protocol):
    """Delivers orders. The deployer calls both methods outside transactions and repeats them: they must be idempotent."""

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Hold connections open while the context lasts; reconnecting is the target's task."""

    def ready(self) -> bool:
        """Whether the target is reachable at this moment."""

    async def publish(self, orders: Sequence[Order]) -> Collection[Assignment]:
        """Replace what was published for each of these devices; returns those whose order was durably accepted.

        An order that is not returned is published again. The call is cancelled after `publishing.TIMEOUT` seconds.
        """

    async def announce(self, event: events.Event) -> None:
        """Publish an event to those who follow its project; it may be repeated. Unreachable when it was not accepted."""

    async def observe(self, awaited: Sequence[Assignment]) -> Observation:
        """Check the target, and these devices, whose orders were published and have no outcome yet."""
