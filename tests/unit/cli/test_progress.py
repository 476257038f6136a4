"""How far something long is."""

from strop_cli import progress


def test_without_a_terminal_a_line_tells_the_progress_every_few_seconds() -> None:
    said: list[str] = []
    now = 0.0
    report = progress.lines(9, ("uploaded", "checked"), said.append, lambda: now)

    for second in range(8):
        now = float(second)
        report(second, second - 1)

    assert said == ["3 of 9 uploaded, 2 checked", "6 of 9 uploaded, 5 checked"]
