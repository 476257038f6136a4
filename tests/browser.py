"""A Chromium for the tests: one of the machine's own, else playwright's download."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright, expect
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
QUIET = (
    "--no-sandbox",  # root cannot have it, nor an ordinary user in many containers; all pages here are our own
    "--disable-dev-shm-usage",  # /dev/shm of a container is small
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)
expect.set_options(timeout=20_000)  # five seconds are not far more than a page takes on a busy machine


def program() -> str | None:
    """The machine's own Chromium or Chrome; None leaves it to playwright's download."""
    found = (shutil.which(name) for name in NAMES)
    return next(filter(None, found), None) or next((path for path in MAC if Path(path).exists()), None)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program(), args=QUIET)
        try:
            yield browser
        finally:
            await browser.close()


def driver_starts() -> bool:
    """Return whether playwright's own Node.js starts: it needs libatomic, which a bare Debian lacks."""
    return _runs(sys.executable, "-m", "playwright")


def starts() -> bool:
    """Return whether there is a Chromium that starts. Ubuntu's `chromium-browser` may be there and only name a snap."""
    found = program() or (_downloaded() if driver_starts() else None)
    return found is not None and _runs(found)


def _runs(*argv: str) -> bool:
    return subprocess.run([*argv, "--version"], check=False, capture_output=True).returncode == 0


def _downloaded() -> str | None:
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None
