import random

import pytest

from trainer import rules
from trainer.rules import Shot

TRIGGER = rules.Trigger(min_labels=100, debounce=60, max_wait=1800, cooldown=600)
TOO_FEW = "fewer than 100 new labels to learn from (audits do not count)"


def shot(number, audit=False, phash=None, place="line-1/2026-01-01"):
    return Shot(f"{number:064x}", place, phash, audit)


def far(number):
    """Hashes that are far from each other."""
    return f"{random.Random(number).getrandbits(64):016x}"


def parts(shots, known=()):
    return list(rules.field_parts(shots, dict(known)).values())


def test_audits_are_golden_and_the_rest_is_trained_on():
    assert parts([shot(1, audit=True, phash=far(1)), shot(2, phash=far(2))]) == ["golden", "train"]


def test_no_audit_is_ever_trained_on():
    dice = random.Random(0)
    shots = [shot(n, audit=dice.random() < 0.3, phash=f"{dice.getrandbits(8):016x}") for n in range(300)]

    found = rules.field_parts(shots, {})

    assert not [s for s in shots if s.audit and found[s.sha256] == "train"]
    assert not [s for s in shots if not s.audit and found[s.sha256] == "golden"]


def test_a_near_copy_of_a_golden_image_is_set_aside():
    assert parts([shot(1, audit=True, phash="00000000000000ff"), shot(2, phash="00000000000000f0")]) == [
        "golden",
        "aside",
    ]


def test_an_audit_that_is_a_near_copy_of_a_training_image_is_set_aside():
    assert parts([shot(1, phash="00000000000000ff"), shot(2, audit=True, phash="00000000000000f0")]) == [
        "train",
        "aside",
    ]


def test_near_copies_never_straddle():
    dice = random.Random(1)
    shots = [shot(n, audit=dice.random() < 0.3, phash=f"{dice.getrandbits(12):016x}") for n in range(200)]

    found = rules.field_parts(shots, {})

    used = [(int(s.phash, 16), found[s.sha256]) for s in shots if found[s.sha256] != "aside"]
    near = [(a, b) for a in used for b in used if (a[0] ^ b[0]).bit_count() <= rules.NEAR]
    assert len(near) > len(used)  # there are near copies other than an image of itself
    assert all(a[1] == b[1] for a, b in near)


def test_what_comes_later_moves_nothing():
    dice = random.Random(2)
    shots = [shot(n, audit=dice.random() < 0.3, phash=f"{dice.getrandbits(12):016x}") for n in range(200)]

    early, late = rules.field_parts(shots[:100], {}), rules.field_parts(shots, {})

    assert early.items() <= late.items()


@pytest.mark.parametrize("place", ["line-2/2026-01-01", "line-1/2026-01-02"])
def test_another_device_or_day_has_no_near_copies(place):
    twins = [shot(1, audit=True, phash="0" * 16), shot(2, phash="0" * 16, place=place)]

    assert parts(twins) == ["golden", "train"]


def test_an_image_without_a_hash_goes_by_its_audit():
    assert parts([shot(1, audit=True), shot(2)]) == ["golden", "train"]


def test_the_same_content_counts_once_and_keeps_its_first_part():
    assert parts([shot(1), shot(1, audit=True)]) == ["train"]


def test_a_field_image_that_is_in_the_base_set_stays_there():
    assert parts([shot(1, audit=True)], [(f"{1:064x}", "train")]) == []


def test_a_base_image_in_both_folders_is_held_out():
    assert rules.base_parts([("a", "train"), ("a", "valid"), ("b", "valid"), ("b", "train"), ("c", "train")]) == {
        "a": "valid",
        "b": "valid",
        "c": "train",
    }


def labels(**changes):
    return rules.Labels(
        **{"new": 100, "first_age": 100.0, "last_age": 100.0, "running": False, "since_last": None, **changes}
    )


def test_enough_labels_and_quiet_train():
    assert rules.decide(labels(), TRIGGER) == rules.Decision(True, ("100 new labels to learn from, 100 asked for",), 0)


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
    assert rules.decide(labels(**changes), TRIGGER) == rules.Decision(False, (reason,), recheck)


def test_all_reasons_are_named_and_the_first_to_lapse_sets_the_time():
    decision = rules.decide(labels(last_age=1.0, since_last=2.0), TRIGGER)

    assert (len(decision.reasons), decision.recheck) == (2, 59.0)


def test_a_reason_without_an_end_does_not_hide_one_that_lapses():
    assert rules.decide(labels(last_age=1.0, running=True), TRIGGER).recheck == 59.0


def test_labels_that_never_pause_do_not_wait_for_ever():
    assert rules.decide(labels(first_age=1800.0, last_age=0.0), TRIGGER).train


def test_the_reasons_of_not_yet_do_not_change_with_every_label():
    assert rules.decide(labels(new=1, first_age=None), TRIGGER) == rules.decide(labels(new=2, first_age=None), TRIGGER)
