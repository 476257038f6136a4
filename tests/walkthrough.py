"""The commands of the walkthroughs in docs/, taken out of them and run as a person would, in one shell."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from strop_devstack import render

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "walkthrough-flowers.md"
BEVERAGES = ROOT / "docs" / "walkthrough-beverages.md"
AWSCLI = ROOT / ".venv" / "awscli" / "bin"
START = "make up\n"


def blocks(text: str) -> list[tuple[str, str]]:
    """Language and code of every block that is to be run."""
    return re.findall(r"^```(sh|python)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def script(text: str) -> str:
    """All blocks but the first, which starts Strop, as one script; Python's go to Python."""
    (_, start), *others = blocks(text)
    assert start == START
    return "".join(code if language == "sh" else f"python <<'PYTHON'\n{code}PYTHON\n" for language, code in others)


LABELS = {"1": "beer-mug", "2": "soda-can", "3": "wine-bottle"}
NAMES = {"1": "pink primrose", "2": "hard-leaved pocket orchid", "3": "canterbury bells"}


def rendered(folder: Path) -> None:
    """Put rendered images there in folders that are numbers, and what to call them: 12 to learn from, 4 to test with."""
    for part, seeds in (("train", range(12)), ("valid", range(100, 104))):
        for number, label in LABELS.items():
            place = folder / "flowers" / part / number
            place.mkdir(parents=True)
            for seed in seeds:
                (place / f"{seed}.jpg").write_bytes(render.render(label, seed))
    (folder / "cat_to_name.json").write_text(json.dumps(NAMES))


@contextmanager
def up(folder: Path) -> Iterator[None]:
    """What `make up` runs, in a folder that stands for that of the sources."""
    argv = [sys.executable, "-m", "strop_cli", "up"]
    with subprocess.Popen(argv, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if "Ctrl-C" in line:
                    break
            assert process.poll() is None, said
            yield
        finally:
            process.terminate()


def run(folder: Path, aws: Path = AWSCLI, page: Path = PAGE) -> str:
    """Run a page's commands in a folder with the images; returns all that they print. What they leave running ends."""
    assert (aws / "aws").exists(), "the AWS CLI is missing: `make test` installs it"
    # Nothing of this machine's own: a person's profile, credentials and home are not what the page is about.
    env = {"PATH": f"{aws}:{os.environ['PATH']}", "HOME": str(folder), "AWS_PROFILE": "a-persons-own", "AWS_PAGER": ""}
    argv = ["bash", "-euo", "pipefail", "-c", script(page.read_text())]
    printed = folder / "printed.txt"
    with printed.open("w") as out:
        shell = subprocess.Popen(argv, cwd=folder, env=env, stdout=out, stderr=out, start_new_session=True)
        try:
            code = shell.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    assert code == 0, printed.read_text()
    return printed.read_text()
