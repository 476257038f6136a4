"""The running labeling service, and a person at its page."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Browser, Page, expect
from sqlalchemy import func, select, update

from labeling_queue import rules
from strop import app, outbox
from strop_contracts import events, keys, tables
from tests import factories, wait
from tests.e2e import visits


@dataclass(frozen=True)
class Place:
    """The running service, and what a test does behind the browser's back."""

    url: str
    runtime: app.Runtime

    async def store(self, count: int = 1) -> list[tables.Capture]:
        """Let images arrive, to be labelled in this order; returns once their tasks are there, by the events."""
        captures = [await self._arrive(number) for number in range(count)]
        await wait.until(lambda: self._has_tasks(captures))
        return captures

    async def _arrive(self, number: int) -> tables.Capture:
        body = factories.picture(number, size=(640, 480))
        capture = factories.capture(body, margin=number / 10)
        await self.runtime.storage.put(keys.image(capture.project, capture.sha256), body, "image/jpeg")
        async with self.runtime.sessions.begin() as session:
            session.add(capture)
            await factories.make_image(session, capture)
            about = {"capture_id": capture.id, "device": capture.device, "sha256": capture.sha256}
            await outbox.add(session, events.ImageStored(project=capture.project, **about))
        return capture

    async def _has_tasks(self, captures: list[tables.Capture]) -> bool:
        return await self.count(tables.LabelTask.capture_id.in_(one.id for one in captures)) == len(captures)

    async def give_to(self, person: str) -> None:
        """Lease all that waits to another person."""
        async with self.runtime.sessions.begin() as session:
            later = func.now() + rules.LEASE
            await session.execute(update(tables.LabelTask).values(leased_by=person, leased_until=later))

    async def count(self, *what: Any) -> int:
        async with self.runtime.sessions() as session:
            return await session.scalar(select(func.count()).where(*what)) or 0

    async def answers(self) -> list[str]:
        """All answers so far, the oldest first."""
        async with self.runtime.sessions() as session:
            return list(await session.scalars(select(tables.Annotation.answer).order_by(tables.Annotation.at)))

    async def truth(self, capture: tables.Capture) -> str | None:
        async with self.runtime.sessions() as session:
            return await session.scalar(
                select(tables.GroundTruth.label).where(tables.GroundTruth.capture_id == capture.id)
            )


def at_work(browser: Browser, place: Place, user: str = "ada", **device: Any) -> AbstractAsyncContextManager[Page]:
    """A person who opened the labeling page."""
    return visits.visit(browser, place.runtime, place.url, f"/label/{factories.PROJECT}", user, **device)


async def press(page: Page, key: str) -> None:
    """Press a key once the page takes an answer."""
    await expect(page.locator("#stage")).to_have_attribute("aria-busy", "false")
    await page.keyboard.press(key)


async def shown(page: Page) -> str:
    """Which image is on show, once one is."""
    return await page.locator("#stage img").get_attribute("src") or ""
