"""The kernel is for any service, so it names none."""

import re
from pathlib import Path

import strop
from strop_contracts import services

FOLDER = Path(strop.__file__).parent
NAMES = re.compile(r"\b(" + "|".join({name for each in services.ALL for name in (each.name, each.package)}) + r")\b")


def test_no_file_of_the_kernel_names_a_service() -> None:
    named = {
        f"{path.relative_to(FOLDER)}:{number}: {match[0]}"
        for path in sorted(FOLDER.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in NAMES.finditer(line)
    }

    assert not named
