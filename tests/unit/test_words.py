"""Prose uses standard technical terms: no personification and no private idiom. CONTRIBUTING.md has the rules.

`FILES` grows as files are rewritten. A pattern belongs in `BANNED` only if it has no legitimate use in these files.
"""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

FILES = (
    *("*.md", "docs/**/*.md", "services/*/README.md", "edge/README.md", "benchmarks/README.md", "deploy/**/*.md"),
    *("cli/**/*.py", "devstack/**/*.py", "edge/**/*.py", "benchmarks/*.py"),
    *("shared/**/*.py", "services/custom-labels/**/*.py", "services/deployer/**/*.py", "services/ingest/**/*.py"),
    *("services/labeling-queue/**/*.py", "services/labeling-queue/**/static/*.js", "services/router/**/*.py"),
)

BANNED = {
    r"\bwhoever\b": "the caller, the operator, a client",
    r"\bstrangers?\b": "a client that is not enrolled",
    r"\bnobody\b(?![`\"])": "no client, no device, or the passive voice",
    r"\b(is|are|was|were|being) away\b": "unreachable, offline",
    r"\bcomes? home\b": "is uploaded",
    r"\bhonest(ly)?\b": "random, unbiased",
    r"\bhears?\b|\bheard\b": "receives",
    r"\btells? (it|them|us|the|its|each|ingest|devices?)\b": "publishes, reports",
    r"\b(services?|devices?|brokers?|clouds?|agents?|models?|messages?|gate|router|page) (say|says|said)\b": "reports",
    r"\bobeys?\b": "applies",
    r"\bheart\b": "heartbeat",
    r"\bdies\b|\bdied\b|\bdead (devices?|trainers?|copy)\b": "crashes, exits, is killed",
    r"\bwithout a word\b|\bsilently?\s+gone\b": "without an error",
    r"\bfor ever\b": "permanently",
    r"\bin hand\b": "received, in progress",
    r"\btakes? in\b|\btaken in\b": "consumes, receives",
    r"\bfront door\b": "the entry point",
    r"\bgives? up\b": "times out, stops retrying",
    r"\bthe other way round\b": "the reverse",
}

PATHS = sorted({path for glob in FILES for path in ROOT.glob(glob)})


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_uses_standard_terms(path: Path) -> None:
    text = path.read_text()

    hits = [(match, instead) for pattern, instead in BANNED.items() for match in matches(pattern, text)]

    assert hits == []


def matches(pattern: str, text: str) -> list[str]:
    """Return the lines of the text that contain the pattern, with their numbers."""
    expression = re.compile(pattern, re.IGNORECASE)
    return [f"{number}: {line}" for number, line in enumerate(text.splitlines(), 1) if expression.search(line)]
