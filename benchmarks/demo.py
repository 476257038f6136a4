"""What one loop of the demo brings, on images that no model has seen: the rows of the README's table.

    python -m benchmarks.demo                                     rendered images
    python -m benchmarks.demo --images trashnet/ --write          photographs; the row that begins with the folder's name

Runs `strop demo` as a user does and prints the row of its report. `--write` puts it in the place of that row in README.md.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

README = Path(__file__).parent.parent / "README.md"


def run(images: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="strop-demo-") as folder:
        report = Path(folder) / "report.json"
        argv = [
            sys.executable,
            "-m",
            "strop_cli",
            "demo",
            "--exit",
            "--state",
            folder + "/state",
            "--report",
            str(report),
        ]
        subprocess.run([*argv, *(["--images", str(images)] if images else [])], check=True)
        return dict(json.loads(report.read_text()))


def cells(report: dict[str, Any]) -> list[str]:
    before, after = (_accuracy(report[f"accuracy_{when}"]) for when in ("before", "after"))
    seconds, memory = f"{report['seconds']['total']:.0f}", f"{report['peak_memory_mb'] / 1024:.1f} GB"
    return [str(report["labels"]), before, after, f"{report['lost']}, {report['doubled']}", seconds, memory]


def _accuracy(found: dict[str, float]) -> str:
    return f"{found['value']:.1%} ({100 * found['low']:.1f} to {100 * found['high']:.1f})".replace("%", " %", 1)


def written(text: str, name: str, row: list[str]) -> str:
    """Return the README with the cells of the row of this name replaced; its first cell, with the source, stays."""
    pattern = re.compile(rf"^(\| \[?{re.escape(name)}\b[^|]*\|).*$", re.MULTILINE)
    changed, count = pattern.subn(lambda found: f"{found[1]} {' | '.join(row)} |", text)
    if count != 1:
        sys.exit(f"README.md has {count} rows that begin with {name}, expected 1")
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="a folder tree <label>/*.jpg; without it, rendered images")
    parser.add_argument("--write", action="store_true", help="replace the row in README.md")
    options = parser.parse_args()
    name = options.images.name if options.images else "rendered"
    row = cells(run(options.images))
    print(f"| {name} | {' | '.join(row)} |")
    if options.write:
        README.write_text(written(README.read_text(), name, row))


if __name__ == "__main__":
    main()
