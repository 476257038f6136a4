"""Messages vanish from the queues at random: everything ends at its one final state all the same."""

import random
from collections import Counter
from pathlib import Path

import pytest

from strop import reconciler, sqs
from strop_contracts import topology, waits
from tests.soak import load, site

SHARE = 0.05
AFTER = 5
"""Seconds until an event is emitted again."""


@pytest.mark.timeout(600)
async def test_lost_messages_are_emitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every twentieth message is deleted when a service receives it, before the service sees it; dead letters are not."""
    chance, seen, lost = random.Random(12), Counter[str](), Counter[str]()
    receive = sqs.Queues._receive

    async def lossy(self: sqs.Queues, name: str, wait: int, limit: int) -> list[sqs.Incoming]:
        taken = await receive(self, name, wait, limit)
        if name not in topology.QUEUES:
            return taken
        gone = [message for message in taken if chance.random() < SHARE]
        if gone:
            await self.delete(name, [message.receipt for message in gone])
        seen[name] += len(taken)
        lost[name] += len(gone)
        return [message for message in taken if message not in gone]

    monkeypatch.setattr(sqs.Queues, "_receive", lossy)
    monkeypatch.setitem(site.QUICK, "STROP_RECONCILE_AFTER", str(AFTER))
    async with site.running(tmp_path, load.DEVICES, apart=False) as running:

        async def nothing_waits() -> bool:
            async with running.runtime.sessions() as session:
                every = [wait for kinds in waits.BY_SERVICE.values() for wait in kinds]
                return not any([await reconciler.oldest(session, wait) for wait in every])

        async with load.on(running) as devices:
            await load.settled(running, devices)
            await load.soon(nothing_waits)
        await load.assert_exactly_once(running, devices)
    print(f"lost of {seen.total()} messages: {dict(lost)}")
    assert lost.total() >= SHARE / 2 * seen.total() > 0
