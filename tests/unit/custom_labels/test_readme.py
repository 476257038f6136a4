"""The README names every operation, setting and event there is."""

from custom_labels.api import operations
from custom_labels.settings import Settings
from strop_contracts import topology
from tests.conftest import ROOT

TEXT = (ROOT / "services/custom-labels/README.md").read_text()


def test_every_operation_is_named() -> None:
    assert [name for name in [*operations.TABLE, "DetectCustomLabels"] if f"`{name}`" not in TEXT] == []


def test_every_setting_is_there_with_its_default() -> None:
    rows = [[cell.strip().strip("`") for cell in line.split("|")[1:3]] for line in TEXT.splitlines() if "|" in line]

    for name, field in Settings.model_fields.items():
        if name == "keys":
            assert f"`STROP_CUSTOM_LABELS_{name.upper()}`" in TEXT
        elif field.validation_alias is None:  # else botocore's own variable
            assert [f"STROP_CUSTOM_LABELS_{name.upper()}", str(field.default)] in rows


def test_every_event_that_comes_in_is_named() -> None:
    ours = [event.__name__ for event, services in topology.ROUTES.items() if "custom-labels" in services]

    assert [name for name in ours if f"| `{name}` |" not in TEXT] == []
