"""A Chromium for the tests: one of the machine's own, else playwright's download."""

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Error, async_playwright, expect
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
QUIET = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)
expect.set_options(timeout=20_000)  # five seconds are not far more than a page takes on a busy machine

MISSING = (
    "The browser tests need a Chromium. Install one (Debian: apt-get install chromium; macOS: Google Chrome), "
    "or run `.venv/bin/playwright install chromium`."
)


def program() -> str | None:
    """The machine's own Chromium or Chrome; None leaves it to playwright's download."""
    found = (shutil.which(name) for name in NAMES)
    return next(filter(None, found), None) or next((path for path in MAC if Path(path).exists()), None)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    flags = [*QUIET, "--no-sandbox"] if os.geteuid() == 0 else [*QUIET]  # root cannot have Chromium's sandbox
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(executable_path=program(), args=flags)
        except Error as error:
            raise RuntimeError(MISSING) from error
        try:
            yield browser
        finally:
            await browser.close()


def ensure() -> None:
    """See to it that there is a Chromium: the machine's, Debian's package when we may install it, or playwright's download."""
    if program() or _downloaded():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Debian's chromium for the browser tests", flush=True)
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
            check=False,
            env=quiet,
            stdout=subprocess.DEVNULL,
        )
    else:
        print("Downloading a Chromium for the browser tests", flush=True)
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    if not (program() or _downloaded()):
        sys.exit(MISSING)


def _downloaded() -> bool:
    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


if __name__ == "__main__":
    ensure()
