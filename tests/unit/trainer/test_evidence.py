import pytest

from strop_contracts import states
from trainer import evidence
from trainer.project_settings import ProjectSettings

TOO_FEW = "fewer than 100 new labels to learn from (audits do not count)"
HOUR = 3600.0


def decide(found, **changes):
    return evidence.decide(found, ProjectSettings(**changes))


def gathered(**changes):
    return evidence.Evidence(
        **{"new": 100, "first_age": 100.0, "last_age": 100.0, "running": False, "since_last": None, **changes}
    )


def test_enough_labels_and_quiet_train():
    assert decide(gathered()) == evidence.Decision(
        states.RunTrigger.LABELS, ("100 new labels to learn from, 100 asked for",), 0
    )


@pytest.mark.parametrize(
    ("changes", "reason", "recheck"),
    [
        ({"new": 99, "first_age": None}, TOO_FEW, None),
        ({"new": 0, "first_age": None, "last_age": None}, TOO_FEW, None),
        ({"last_age": 59.0}, "labels are still coming in: waiting for 60 s of quiet", 1.0),
        (
            {"first_age": 1799.5, "last_age": 2.0},
            "labels are still coming in: waiting for 60 s of quiet",
            0.5,
        ),
        ({"running": True}, "a training run is under way", None),
        ({"since_last": 599.0}, "the last training ended less than 600 s ago", 1.0),
    ],
)
def test_not_yet_names_its_reason_and_when_it_lapses(changes, reason, recheck):
    assert decide(gathered(**changes)) == evidence.Decision(None, (reason,), recheck)


def test_all_reasons_are_named_and_the_first_to_lapse_sets_the_time():
    decision = decide(gathered(last_age=1.0, since_last=2.0))

    assert (len(decision.reasons), decision.recheck) == (2, 59.0)


def test_a_reason_without_an_end_does_not_hide_one_that_lapses():
    assert decide(gathered(last_age=1.0, running=True)).recheck == 59.0


def test_labels_that_never_pause_do_not_wait_for_ever():
    assert decide(gathered(first_age=1800.0, last_age=0.0)).run


def test_the_reasons_of_not_yet_do_not_change_with_every_label():
    assert decide(gathered(new=1, first_age=None)) == decide(gathered(new=2, first_age=None))


def test_images_of_a_label_that_no_model_has_start_a_training():
    decision = decide(gathered(new=21, first_age=None, new_label=("jar", 20)))

    assert (decision.run, decision.reasons) == ("new_label", ("20 images of jar, which no model has; 20 asked for",))


@pytest.mark.parametrize(
    ("found", "changes"),
    [
        ({"new": 21, "new_label": ("jar", 19)}, {}),
        ({"new": 21, "new_label": ("jar", 50)}, {"new_label_images": 0}),
        ({"new": 0, "new_label": ("jar", 50)}, {}),  # the last training has had these images
    ],
)
def test_a_new_label_without_enough_new_images_does_not(found, changes):
    assert decide(gathered(**found), **changes).run is None


def test_the_schedule_starts_a_training_of_any_new_label():
    decision = decide(gathered(new=1, first_age=None, since_last=24 * HOUR), every_hours=24)

    assert decision.run == "schedule"


def test_the_schedule_is_evaluated_again_when_it_is_due():
    assert decide(gathered(new=1, first_age=None, since_last=23 * HOUR), every_hours=24).recheck == HOUR


def test_the_schedule_without_a_new_label_starts_nothing():
    assert decide(gathered(new=0, first_age=None, last_age=None, since_last=48 * HOUR), every_hours=24).run is None


def test_automatic_training_can_be_off():
    decision = decide(gathered(), automatic=False)

    assert (decision.run, decision.reasons) == (None, ("automatic training is off for this project",))


def test_enough_new_audits_have_an_undecided_model_judged_again():
    decision = decide(gathered(new=3, first_age=None, undecided=4, audits=20, audit_age=61.0, since_last=1.0))

    assert (decision.run, decision.judges, decision.recheck) == ("audits", 4, 0)
    assert decision.reasons == ("20 audits were labelled since v4 was left undecided: it is judged again",)


@pytest.mark.parametrize(
    ("found", "changes"),
    [({"audits": 19}, {}), ({"audits": 50}, {"judge_audits": 0}), ({"audits": 50, "running": True}, {})],
)
def test_an_undecided_model_is_not_judged_again(found, changes):
    assert decide(gathered(**{"new": 3, "undecided": 4, "audit_age": 61.0, **found}), **changes).run is None


def test_audits_that_are_still_coming_in_are_waited_for():
    decision = decide(gathered(new=3, first_age=None, undecided=4, audits=20, audit_age=59.0))

    assert (decision.run, decision.recheck) == (None, 1.0)
    assert decision.reasons[-1] == "audits are still coming in: waiting for 60 s of quiet"


def test_a_training_comes_before_a_judgement():
    assert decide(gathered(undecided=4, audits=20, audit_age=61.0)).run == "labels"


def test_a_champion_worse_in_the_field_trains_on_fewer_labels():
    found = gathered(new=3, first_age=None, degraded="v2")
    assert decide(found).run == states.RunTrigger.DEGRADATION
    assert "v2 is significantly worse in the field" in decide(found).reasons[0]


def test_degradation_starts_nothing_when_it_is_off_or_labels_are_missing():
    assert decide(gathered(new=3, first_age=None, degraded="v2"), on_degradation=False).run is None
    assert decide(gathered(new=0, first_age=None, last_age=None, degraded="v2")).run is None
