"""What the README and the tour tell people exists: commands with their options, targets, links, files."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from strop_cli.__main__ import cli

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^strop (.+?)(?:\s+#.*)?$", TEXT, re.MULTILINE)


def test_the_readme_has_commands() -> None:
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_parses(line: str) -> None:
    command, name = typer.main.get_command(cli), "strop"
    words = shlex.split(line)
    while hasattr(command, "commands"):
        name = words.pop(0)
        command = command.commands[name]

    command.make_context(name, words)  # raises on an unknown option, or a missing or superfluous argument


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^make ([a-z-]+)", TEXT, re.MULTILINE))))
def test_a_make_target_of_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([\w./-]+)\)", TEXT))))
def test_a_link_of_the_readme_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_files_of_the_tour_are_there() -> None:
    for line in (ROOT / "docs/tour.md").read_text().splitlines():
        folder = ROOT
        for name in re.findall(r"`([\w./-]+\.py)`", line):
            folder = (ROOT / name).parent if "/" in name else folder
            assert (folder / Path(name).name).exists(), f"{name} in: {line}"
