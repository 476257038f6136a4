"""The exit code and the table of `strop ledger`."""

from rich.console import Console

from strop_cli import ledger
from strop_contracts import control


def test_a_stuck_row_is_shown_and_is_wrong() -> None:
    found = control.Ledger(captures=3, announced=0, stuck=["label task: 1, the oldest for 61 minutes"])
    console = Console(record=True, width=120)

    console.print(ledger.shown("bottles", found))

    assert "label task: 1, the oldest for 61 minutes" in console.export_text()
    assert found.wrong
    assert not found.clean


def test_what_is_on_its_way_is_not_wrong() -> None:
    assert not control.Ledger(captures=3, announced=0, unsettled=["a"]).wrong
