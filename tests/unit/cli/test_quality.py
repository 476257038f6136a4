"""What `strop quality` prints."""

from datetime import UTC, datetime

from strop_cli import quality
from strop_contracts import control_quality

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
ESTIMATE = control_quality.Estimate(
    model="v3", measure="accuracy", value=0.912, low=0.89, high=0.93, labelled=400, images=60_000, free=0.95
)


def report(**changed: object) -> control_quality.Quality:
    return control_quality.Quality(
        at=NOW, window_hours=168, audits=3000, labelled=400, estimates=[ESTIMATE]
    ).model_copy(update=changed)


def test_the_table_has_estimate_interval_and_the_error_of_confidences() -> None:
    made = quality.table(report())
    cells = [next(iter(column.cells)) for column in made.columns]
    assert cells == [
        *("v3", "accuracy", "all devices", "91.2%", "89.0% to 93.0%"),
        *("400", "60,000", "95.0% (+3.8 points)"),
    ]


def test_without_a_wish_the_setting_is_named() -> None:
    shown = quality.lines(report())
    assert shown[0] == "audits in the last 168 hours: 3,000, labelled 400"
    assert "quality_points" in shown[1]


def test_plan_degradation_and_drift_are_a_line_each() -> None:
    plan = control_quality.Plan(
        wished=0.02, half=0.02, met=True, reason="as asked", audit_rate=0.01, labels=400, label_half={"can": 0.031}
    )
    worse = control_quality.Worse(model="v3", since=NOW, value=0.8, expected=0.9)
    changes = [
        control_quality.Change(model="v3", kind="label", label="can", now=0.5, reference=0.3, p=0.0, drifted=True),
        control_quality.Change(model="v3", kind="novelty", now=0.5, reference=0.3, p=0.5, drifted=False),
    ]
    assert quality.lines(report(plan=plan, worse=[worse], drift=changes))[1:] == [
        "as asked",
        "with this plan, precision of can: ±3.1%",
        "worse: v3 has 80.0% right, 90.0% in its evaluation, since 2026-03-01 12:30",
        "drift: v3, share of can: 50.0%, 30.0% in its first hours",
    ]
