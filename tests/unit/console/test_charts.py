from datetime import UTC, datetime, timedelta

from console import charts

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def point(hours: float, value: float, low: float | None = None, high: float | None = None) -> charts.Point:
    return charts.Point(
        NOON + timedelta(hours=hours), value, value if low is None else low, value if high is None else high
    )


def test_the_highest_bar_touches_the_top_and_zero_has_none() -> None:
    bars = charts.Bars.of([0, 5, 10, 0])

    assert bars.most == 10
    assert bars.path == "M25.00 100V50.00h20.00V100zM50.00 100V0.00h20.00V100z"


def test_bars_of_nothing_are_empty() -> None:
    assert charts.Bars.of([0, 0]) == charts.Bars("", 0)


def test_a_chart_without_points_is_none() -> None:
    assert charts.chart([("v1", [])]) is None


def test_round_ticks_enclose_every_interval() -> None:
    chart = charts.chart([("v1", [point(0, 0.9, 0.87, 0.93), point(2, 0.91, 0.88, 0.94)])])

    assert chart
    assert chart.ticks == [0.94, 0.92, 0.9, 0.88, 0.86]
    assert (chart.start, chart.end) == (NOON, NOON + timedelta(hours=2))


def test_points_lie_in_proportion_to_time_and_value() -> None:
    chart = charts.chart([("v1", [point(0, 1.0), point(1, 0.5), point(4, 0.0)])])

    assert chart
    (line,) = chart.lines
    assert [(mark.x, mark.y) for mark in line.marks] == [(0, 0), (25, 50), (100, 100)]
    assert line.path == "M0.0 0.0L25.0 50.0L100.0 100.0"


def test_one_point_lies_in_the_middle() -> None:
    chart = charts.chart([("v1", [point(0, 1.0, 1.0, 1.0)])])

    assert chart
    assert chart.lines[0].marks[0].x == 50
    assert chart.ticks[0] > chart.ticks[-1]


def test_a_line_without_points_is_left_out() -> None:
    chart = charts.chart([("v1", []), ("v2", [point(0, 0.8)])])

    assert chart
    assert [line.name for line in chart.lines] == ["v2"]
    assert chart.lines[0].marks[0].title == "v2, 2026-11-29 12:00 UTC: 80.0 % (80.0 to 80.0)"


def test_a_pair_shares_one_scale_and_leaves_a_gap_without_a_value() -> None:
    pair = charts.Pair.of([0.0, None, 0.4], [-0.1, 0.0, 0.1])

    assert pair
    assert pair.zero == 80
    assert pair.new == "M0.00 80.0h0.01M100.00 0.0h0.01"
    assert pair.old == "M0.00 100.0h0.01L50.00 80.0L100.00 60.0"


def test_a_pair_without_values_is_none() -> None:
    assert charts.Pair.of([None], [None]) is None


def test_shares_lie_side_by_side_and_rare_names_are_one_part() -> None:
    parts = charts.shares({"a": 50, "b": 20, "c": 15, "d": 10, "e": 5})

    assert [(part.name, part.x, part.width) for part in parts] == [
        ("a", 0, 50),
        ("b", 50, 20),
        ("c", 70, 15),
        ("other", 85, 15),
    ]


def test_four_names_have_a_part_each_and_nothing_has_none() -> None:
    assert [part.name for part in charts.shares({"d": 1, "c": 1, "b": 1, "a": 1})] == ["a", "b", "c", "d"]
    assert charts.shares({}) == []
