"""All parts of Strop have one version (docs/releasing.md)."""

import tomllib

import strop_edge
from tests.conftest import ROOT


def test_all_members_have_the_version_of_the_agent() -> None:
    files = [*ROOT.glob("*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml"), ROOT / "pyproject.toml"]
    projects = [tomllib.loads(each.read_text())["project"] for each in files]

    versions = {each["name"]: each["version"] for each in projects if "version" not in each.get("dynamic", ())}

    assert len(versions) == len(projects) - 1, "only the agent has its version elsewhere"
    assert versions == dict.fromkeys(versions, strop_edge.__version__)
