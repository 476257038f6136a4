"""No file of code is longer than 400 lines: a longer one has several subjects."""

from tests.conftest import ROOT

LIMIT = 400
SUFFIXES = {".py", ".js", ".css", ".html", ".sh"}
FOLDERS = ("benchmarks", "cli", "deploy", "devstack", "edge", "migrations", "services", "shared", "tests")
UNCHANGED = ROOT / "migrations" / "versions"  # a migration stays as it was released


def test_no_file_of_code_is_longer_than_the_limit() -> None:
    files = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES)

    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in files
        if UNCHANGED not in path.parents
    }

    assert len(lengths) > 500
    assert {name: length for name, length in lengths.items() if length > LIMIT} == {}
