"""Check for programs that the tests need and pip does not install: `python -m tests.machine PACKAGE…`, before the first test.

Root on Debian and Ubuntu gets what is missing from apt. Everybody else gets one line that names it, and the command that
installs it.
"""

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from strop_devstack.platform import mqtt
from tests import browser

LOCKED = "Could not get lock"
PAUSE = 1.0
LOCK_SECONDS = 600.0
"""How long another run of apt may hold its locks: an unattended upgrade takes minutes."""


PROGRAMS: Mapping[str, Callable[[], bool]] = {
    "mosquitto": lambda: mqtt.find_mosquitto() is not None,
    "chromium": browser.starts,
    "libatomic1": browser.driver_starts,
    "mosquitto-clients": lambda: all(map(shutil.which, ("mosquitto_pub", "mosquitto_sub"))),
    "curl": lambda: shutil.which("curl") is not None,
    "awscli": lambda: Path(
        "/usr/bin/aws"
    ).exists(),  # the distribution's own, whatever a version manager puts before it
}
"""Whether a program is there and usable, by the name of its package in Debian."""
_FEDORA = {"libatomic1": "libatomic"}
_BREW = {"chromium": "google-chrome", "mosquitto-clients": "mosquitto"}


def missing(packages: Sequence[str]) -> list[str]:
    return [name for name in packages if not PROGRAMS[name]()]


def command(packages: Sequence[str], system: str) -> str:
    """Return the command with which an ordinary user installs these packages. `system` is an id of os-release, or `Darwin`."""
    if system == "Darwin":
        return f"brew install {' '.join(dict.fromkeys(_BREW.get(name, name) for name in packages))}"
    if system == "fedora":
        return f"sudo dnf install -y {' '.join(_FEDORA.get(name, name) for name in packages)}"
    if system == "ubuntu" and "chromium" in packages:  # its package starts a snap, which containers cannot run
        download = ".venv/bin/playwright install --with-deps chromium"
        others = [name for name in packages if name != "chromium"]
        return f"{command(others, system)} && {download}" if others else download
    return f"sudo apt-get update && sudo apt-get install -y --no-install-recommends {' '.join(packages)}"


def system() -> str:
    try:
        return platform.freedesktop_os_release()["ID"]
    except OSError:
        return platform.system()


def apt(*arguments: str) -> None:
    """Run apt-get and wait while another run holds a lock. apt itself waits only for the lock of dpkg, not for that of its lists.

    Raises SystemExit with apt's own message when it fails for another reason.
    """
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    argv = ["apt-get", "-qq", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS:.0f}", *arguments]
    deadline = time.monotonic() + LOCK_SECONDS
    while (done := subprocess.run(argv, env=env, capture_output=True, text=True, check=False)).returncode:
        if LOCKED not in done.stderr or time.monotonic() > deadline:
            sys.exit(f"{' '.join(argv)} failed:\n{done.stderr}")
        time.sleep(PAUSE)


def install(packages: Sequence[str]) -> None:
    """Install with apt, or with the command of `command` where that is another one. Needs root."""
    snap = {"chromium"} if system() == "ubuntu" else set()
    if from_apt := [name for name in packages if name not in snap]:
        apt("update")
        apt("install", "-y", "--no-install-recommends", *from_apt)
    if snap.intersection(packages):
        subprocess.run([sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"], check=True)


def ensure(packages: Sequence[str]) -> None:
    """Return when all programs are there; exit with one line that names the missing ones otherwise."""
    lacking = missing(packages)
    if lacking and os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get"):
        print(f"Installing {', '.join(lacking)} for the tests", flush=True)
        install(lacking)
        lacking = missing(packages)
    if lacking:
        sys.exit(f"The tests need {', '.join(lacking)}. Install with: {command(lacking, system())}")


if __name__ == "__main__":
    ensure(sys.argv[1:])
