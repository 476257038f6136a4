"""How far something long is."""

import pytest

from strop_cli import progress


def test_without_a_terminal_a_line_tells_the_progress_every_few_seconds() -> None:
    said: list[str] = []
    now = 0.0
    report = progress.lines(9, ("uploaded", "checked"), said.append, lambda: now)

    for second in range(8):
        now = float(second)
        report(second, second - 1)

    assert said == ["3 of 9 uploaded, 2 checked", "6 of 9 uploaded, 5 checked"]


def test_a_text_that_changes_is_a_line_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)  # type: ignore[attr-defined]

    with progress.text() as show:
        for second in range(8):
            now = float(second)
            show(f"head {second // 5} of 3")

    assert capsys.readouterr().err.splitlines() == ["head 0 of 3", "head 1 of 3"]
