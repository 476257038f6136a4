"""What docs/walkthrough-flowers.md tells people to type; `make soak` runs it."""

import re
import shlex
import subprocess

import pytest
import typer.main

from strop_cli.__main__ import cli
from tests import walkthrough

TEXT = walkthrough.PAGE.read_text()
IMPORTS = re.findall(r"^strop datasets import (.+)$", walkthrough.script(TEXT), re.MULTILINE)


def test_every_block_of_code_is_one_that_is_run() -> None:
    fences = re.findall(r"^```(.+)$", TEXT, re.MULTILINE)

    assert set(fences) == {"sh", "python", "text"}
    assert len(walkthrough.blocks(TEXT)) == len([each for each in fences if each != "text"])


def test_shell_and_python_can_read_it() -> None:
    done = subprocess.run(["bash", "-n"], check=False, input=walkthrough.script(TEXT), capture_output=True, text=True)

    assert done.stderr == ""
    for language, code in walkthrough.blocks(TEXT):
        if language == "python":
            compile(code, str(walkthrough.PAGE), "exec")


@pytest.mark.parametrize("words", IMPORTS)
def test_the_import_has_these_options(words: str) -> None:
    command = typer.main.get_command(cli).commands["datasets"].commands["import"]  # type: ignore[attr-defined]
    given = [word for word in shlex.split(words) if word not in {"--names", "cat_to_name.json"}]  # a file must be there

    assert command.make_context("import", given).params["auto_label"]


def test_every_link_leads_somewhere() -> None:
    for link in re.findall(r"\]\((\.\./[\w./-]+)\)", TEXT):
        assert (walkthrough.PAGE.parent / link).exists()
