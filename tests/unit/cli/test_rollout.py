from datetime import UTC, datetime

from strop_cli import rollout
from strop_contracts import control_rollouts, states
from strop_wire import ids

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def described(**values: object) -> control_rollouts.Rollout:
    stages = [
        control_rollouts.RolloutStage(number=1, share=0.05, opened=True, devices=10, installed=9, failed=1),
        control_rollouts.RolloutStage(number=2, share=1, opened=False, devices=190, installed=0, failed=0),
    ]
    given = {
        "id": ids.uuid7(),
        "version": 3,
        "previous": 2,
        "kind": states.DeploymentKind.ROLLOUT,
        "state": states.DeploymentState.RUNNING,
        "reason": None,
        "at": AT,
        "finished_at": None,
        "stage": 1,
        "stages": stages,
        "held_by": None,
        "held_reason": None,
        "waits_for": None,
        "ended_by": None,
        "reached": None,
        "seconds_to_restore": None,
        "devices": 200,
        "predictions": 0,
        "checks": [],
        "decisions": [],
    }
    return control_rollouts.Rollout.model_validate(given | values)


def test_a_running_rollout_is_shown_with_its_stages_and_what_it_waits_for() -> None:
    found = control_rollouts.Rollouts(project="cans", rollouts=[described(waits_for="approval")])

    assert list(rollout.lines(found)) == [
        "rollout of v3 after v2 running",
        "  stage 1, up to 5%: 9 of 10 installed, 1 failed",
        "  stage 2, up to 100%: not open",
        "  the next stage waits for approval",
    ]


def test_a_rollout_that_was_taken_back_is_shown_below_the_way_back() -> None:
    bad = described(
        state=states.DeploymentState.ROLLED_BACK, reason="labels", ended_by="strop", reached=10, seconds_to_restore=4.25
    )
    back = described(kind=states.DeploymentKind.ROLLBACK, version=2, previous=3)
    shown = list(rollout.lines(control_rollouts.Rollouts(project="cans", rollouts=[back, bad])))

    assert shown[0] == "rollback of v2 after v3 running"
    assert "rollout of v3 after v2 rolled_back by strop: labels" in shown
    assert "  10 of 200 devices had v3, restored in 4.2 s" in shown


def test_a_project_without_a_rollout_is_reported() -> None:
    assert list(rollout.lines(control_rollouts.Rollouts(project="cans", rollouts=[]))) == [
        "nothing was rolled out in cans yet"
    ]
