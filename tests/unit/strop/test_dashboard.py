"""The dashboard asks for metrics and labels that exist, of a source that is provisioned."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Histogram

from strop_contracts import waits
from tests import metrics

FOLDER = Path(__file__).parents[3] / "deploy" / "grafana"
BOARD = json.loads((FOLDER / "strop.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
ALERTS = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]] + [rule["expr"] for rule in ALERTS]


def series() -> dict[str, set[str]]:
    """Every series that the services expose, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in metrics.ALL:
        (family,) = metric.describe()
        labels = set(metric._labelnames)
        if isinstance(metric, Histogram):
            found |= {f"{family.name}_{part}": labels | {"le"} for part in ("bucket", "count", "sum")}
        else:
            found[family.name + ("_total" if family.type == "counter" else "")] = labels
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_what_exists(expression: str) -> None:
    known = series()
    asked = set(re.findall(r"\bstrop_\w+", expression))
    assert asked
    assert asked <= known.keys()
    labels = set().union(*(known[name] for name in asked))
    named = re.findall(r"\bby \(([^)]*)\)", expression)
    named += re.findall(r"[{,](\w+)(?:=~|!=|!~|=)", expression)
    assert {label for names in named for label in re.findall(r"\w+", names)} <= labels
    assert expression.count("(") == expression.count(")")


def test_alerts_have_another_threshold_for_slow_kinds() -> None:
    slow = "|".join(wait.kind for kinds in waits.BY_SERVICE.values() for wait in kinds if wait.slow)
    expected = {f'kind!~"{slow}"', f'kind=~"{slow}"'}

    waiting = [rule["expr"] for rule in ALERTS if "strop_waiting_oldest_seconds" in rule["expr"]]
    assert {match for expr in waiting for match in re.findall(r"kind[!=]~\"[^\"]*\"", expr)} == expected


def test_a_legend_names_labels_that_are_left() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            left = {
                label for names in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for label in re.split(r", ?", names)
            }
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= left, panel["title"]


def test_gauges_are_never_summed_over_copies() -> None:
    gauges = {next(iter(each.describe())).name for each in metrics.ALL if each._type == "gauge"}
    for expression in EXPRESSIONS:
        for name in re.findall(r"\bstrop_\w+", expression):
            if name in gauges - {"strop_service_up"}:
                assert re.search(rf"max(?: by \([^)]*\))? ?\({name}\b", expression), expression


def test_every_panel_says_what_it_shows_and_none_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["type"] == "row" or panel["description"]


def test_the_source_and_the_folder_are_provisioned() -> None:
    def read(name: str) -> Any:
        return yaml.safe_load((FOLDER / name).read_text())

    (source,) = read("provisioning/datasources/prometheus.yml")["datasources"]
    assert {panel["datasource"]["uid"] for panel in PANELS} == {source["uid"]}
    (provider,) = read("provisioning/dashboards/strop.yml")["providers"]
    compose = yaml.safe_load((FOLDER.parents[1] / "docker-compose.yml").read_text())
    mounts = compose["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/strop.json:{provider['options']['path']}/strop.json:ro" in mounts
    (rules,) = read("prometheus.yml")["rule_files"]
    assert f"./deploy/grafana/alerts.yml:{rules}:ro" in compose["services"]["prometheus"]["volumes"]
    (job,) = read("prometheus.yml")["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    running = {name for name, each in compose["services"].items() if each.get("environment", {}).get("MQTT_URL")}
    assert {"ingest", "router", "labeling-queue", "trainer", "deployer"} <= set(found["names"]) & running
