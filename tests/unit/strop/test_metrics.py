"""The catalogue of metrics is complete, and names follow Prometheus's conventions."""

import re
from pathlib import Path

from tests import metrics

CATALOGUE = Path(__file__).parents[3] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(\w+)` \| ([\w, ]*?) ?\|", re.MULTILINE)


def declared() -> dict[str, set[str]]:
    found = {}
    for metric in metrics.ALL:
        (family,) = metric.describe()
        suffix = "_total" if family.type == "counter" else ""
        found[family.name + suffix] = set(metric._labelnames)
    return found


def test_every_metric_is_in_the_catalogue_with_its_labels() -> None:
    rows = {name: set(filter(None, labels.split(", "))) for name, labels in ROW.findall(CATALOGUE.read_text())}

    assert rows == declared()


def test_names_have_the_prefix_and_base_units() -> None:
    for name in declared():
        assert name.startswith("strop_")
        assert not name.endswith(("_ms", "_milliseconds", "_kb", "_mb"))
