"""docs/failures.md and docs/security.md name tests that exist, and failures.md every crash test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "failures.md").read_text()
SECURITY = (ROOT / "docs" / "security.md").read_text()
PATTERN = r"`(tests/[\w/]+\.py)::(test_\w+)`"
NAMED, IN_SECURITY = re.findall(PATTERN, PAGE), re.findall(PATTERN, SECURITY)


def names_in(path: Path) -> set[str]:
    return set(re.findall(r"^ *(?:async )?def (test_\w+)\(", path.read_text(), re.MULTILINE))


def test_every_named_test_exists() -> None:
    assert NAMED
    assert IN_SECURITY
    assert [f"{file}::{name}" for file, name in NAMED + IN_SECURITY if name not in names_in(ROOT / file)] == []


def test_every_crash_test_is_named() -> None:
    files = [*(ROOT / "tests/integration/crash").glob("test_*.py"), ROOT / "tests/integration/edge/test_crash.py"]
    there = {(str(path.relative_to(ROOT)), name) for path in files for name in names_in(path)}

    assert there - set(NAMED) == set()
