import random

import pytest

from trainer import rules
from trainer.rules import Shot


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
