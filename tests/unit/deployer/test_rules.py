import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer import rules
from strop_contracts import states

LIMITS = rules.Limits(stage_timeout=60, failure_share=0.2, minimum_share=0.5, grace=10)
DEPLOYMENT = uuid.UUID(int=1)

fleets = st.sets(st.text("abcdefghij0123456789", min_size=1, max_size=8), min_size=1, max_size=200)
shares = st.lists(st.integers(1, 99), max_size=4, unique=True).map(
    lambda cents: [*(c / 100 for c in sorted(cents)), 1.0]
)


def progress(**counts: object) -> rules.Progress:
    quiet = {
        "unsent": 0,
        "installed": 0,
        "failed": 0,
        "online": 0,
        "absent": 0,
        "reserve": 0,
        "age": 0.0,
        "last": False,
        "rollback": False,
    }
    return rules.Progress(**{**quiet, **counts})  # type: ignore[arg-type]


def decide(**counts: object) -> rules.Action:
    return rules.next_action(progress(**counts), LIMITS)


class TestAssign:
    @given(fleets, shares)
    def test_every_device_has_one_stage_and_each_stage_reaches_its_share(
        self, devices: set[str], shares: list[float]
    ) -> None:
        stages = rules.assign(devices, [], "d", shares)

        assert stages.keys() == devices
        for k, share in enumerate(shares):
            reached = sum(stage <= k for stage in stages.values())
            assert reached == 1 or abs(reached - share * len(devices)) <= 0.5 + 1e-9

    @given(fleets, shares)
    def test_the_first_stage_has_somebody_and_the_last_reaches_everybody(
        self, devices: set[str], shares: list[float]
    ) -> None:
        stages = rules.assign(devices, [], "d", shares)

        assert min(stages.values()) == 0
        assert max(stages.values()) < len(shares)

    @given(fleets, shares, st.randoms())
    def test_the_order_in_which_devices_are_listed_does_not_matter(
        self, devices: set[str], shares: list[float], random: object
    ) -> None:
        listed = sorted(devices)
        random.shuffle(listed)  # type: ignore[attr-defined]

        assert rules.assign(listed, [], "d", shares) == rules.assign(devices, [], "d", shares)

    @given(fleets, st.integers(1, 99), st.integers(1, 99))
    def test_a_larger_share_never_puts_a_device_later(self, devices: set[str], one: int, other: int) -> None:
        small, large = sorted((one, other))
        cautious = rules.assign(devices, [], "d", [small / 100, 1.0])
        bold = rules.assign(devices, [], "d", [large / 100, 1.0])

        assert all(bold[device] <= cautious[device] for device in devices)

    @given(fleets, fleets, shares)
    def test_no_offline_device_comes_before_an_online_one(
        self, devices: set[str], online: set[str], shares: list[float]
    ) -> None:
        stages = rules.assign(devices, online, "d", shares)

        on, off = [{stages[device] for device in group} for group in (devices & online, devices - online)]
        assert not on or not off or max(on) <= min(off)

    def test_the_canary_is_the_device_that_can_answer(self) -> None:
        for name in "abcd":
            assert rules.assign(["line-7", "line-8"], ["line-7"], name, [0.25, 1.0]) == {"line-7": 0, "line-8": 1}

    def test_another_deployment_has_other_canaries(self) -> None:
        fleet = [f"cam-{n}" for n in range(40)]
        canaries = {
            frozenset(d for d, stage in rules.assign(fleet, fleet, name, [0.1, 1.0]).items() if stage == 0)
            for name in "abcd"
        }

        assert len(canaries) == 4

    @pytest.mark.parametrize(("size", "first"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 2), (12, 3), (100, 25)])
    def test_a_quarter_of_a_small_fleet_is_at_least_one_device(self, size: int, first: int) -> None:
        stages = rules.assign([f"cam-{n}" for n in range(size)], [], "d", [0.25, 1.0])

        assert sum(stage == 0 for stage in stages.values()) == first

    def test_no_devices_make_no_stages(self) -> None:
        assert rules.assign([], [], "d", [0.25, 1.0]) == {}


class TestLate:
    @given(st.text(min_size=1), shares)
    def test_a_late_device_always_has_the_same_stage_and_a_larger_share_never_puts_it_later(
        self, device: str, shares: list[float]
    ) -> None:
        stage = rules.late(device, "d", shares)

        assert stage == rules.late(device, "d", shares)
        assert 0 <= stage < len(shares)
        assert rules.late(device, "d", [min(1.0, share + 0.2) for share in shares]) <= stage

    def test_late_devices_spread_over_the_stages_by_their_shares(self) -> None:
        stages = [rules.late(f"cam-{n}", "d", [0.25, 1.0]) for n in range(2000)]

        assert 0.2 < stages.count(0) / len(stages) < 0.3


class TestNextAction:
    def test_a_device_without_an_order_holds_the_stage_at_any_age(self) -> None:
        assert decide(unsent=1, installed=9, age=1000.0) == rules.Wait()

    def test_a_silent_device_that_is_online_holds_the_stage(self) -> None:
        assert decide(installed=9, online=1, age=59.0) == rules.Wait()

    def test_a_silent_device_holds_the_stage_no_longer_than_its_time(self) -> None:
        assert decide(installed=9, online=1, age=60.0) == rules.Advance()

    def test_the_next_stage_opens_when_all_have_answered(self) -> None:
        assert decide(installed=3) == rules.Advance()

    def test_absent_devices_do_not_hold_a_stage_that_mostly_installed(self) -> None:
        assert decide(installed=2, absent=2) == rules.Advance()

    def test_offline_devices_have_a_grace_period_after_their_order(self) -> None:
        assert decide(installed=1, absent=2, reserve=5, age=9.0) == rules.Wait()

    def test_after_the_grace_online_devices_stand_in_for_the_absent_though_the_stage_has_time(self) -> None:
        assert decide(absent=3, reserve=50, age=10.0) == rules.Widen(3)
        assert decide(installed=1, absent=2, reserve=50, age=10.0) == rules.Widen(1)

    def test_no_replacement_while_a_device_that_is_online_may_still_answer(self) -> None:
        assert decide(online=1, absent=3, reserve=50, age=59.0) == rules.Wait()

    def test_when_the_time_is_up_others_stand_in_for_the_silent_too(self) -> None:
        assert decide(online=1, absent=2, reserve=50, age=60.0) == rules.Widen(3)

    def test_a_grace_longer_than_the_stage_does_not_outlast_it(self) -> None:
        limits = rules.Limits(stage_timeout=5, failure_share=0.2, minimum_share=0.5, grace=10)

        assert rules.next_action(progress(absent=1, reserve=1, age=5.0), limits) == rules.Widen(1)

    def test_a_failure_of_a_replacement_counts_while_the_canary_is_offline(self) -> None:
        assert decide(absent=1, failed=1, reserve=9, age=10.0) == rules.RollBack("1 of 2 devices failed to install")

    def test_no_more_devices_stand_in_than_there_are(self) -> None:
        assert decide(absent=3, reserve=2, age=60.0) == rules.Widen(2)

    def test_without_a_replacement_the_stage_waits(self) -> None:
        assert decide(absent=3, age=1e6) == rules.Wait()

    @given(st.integers(0, 50), st.integers(1, 50), st.floats(0, 0.95))
    def test_if_all_stand_ins_install_it_is_enough(self, installed: int, absent: int, share: float) -> None:
        limits = rules.Limits(60, 0.2, share, 10)
        action = rules.next_action(progress(installed=installed, absent=absent, reserve=10**6, age=10.0), limits)

        if isinstance(action, rules.Widen):
            after = progress(installed=installed + action.count, absent=absent)
            assert rules.next_action(after, limits) == rules.Advance()
        else:
            assert action == rules.Advance()

    def test_a_failing_canary_rolls_back_at_once(self) -> None:
        assert decide(failed=1) == rules.RollBack("1 of 1 devices failed to install")

    def test_failures_up_to_the_share_are_borne(self) -> None:
        assert decide(installed=4, failed=1) == rules.Advance()

    def test_more_failures_than_the_share_roll_back_while_others_are_still_silent(self) -> None:
        assert decide(failed=3, online=9) == rules.RollBack("3 of 12 devices failed to install")

    def test_a_first_failure_among_many_does_not_roll_back_before_the_others_answered(self) -> None:
        assert decide(failed=1, online=9) == rules.Wait()

    def test_absent_devices_do_not_hide_failures(self) -> None:
        assert decide(failed=2, installed=2, absent=20) == rules.RollBack("2 of 4 devices failed to install")

    def test_the_last_stage_finishes_when_all_have_answered(self) -> None:
        assert decide(installed=12, last=True) == rules.Finish()

    def test_offline_devices_do_not_hold_the_last_stage_indefinitely(self) -> None:
        assert decide(installed=1, absent=9, last=True) == rules.Wait()
        assert decide(installed=1, absent=9, last=True, age=60.0) == rules.Finish()

    def test_a_model_that_no_device_installed_does_not_succeed(self) -> None:
        assert decide(absent=2, last=True, age=1e6) == rules.Wait()

    def test_a_deployment_without_devices_waits_for_the_first(self) -> None:
        assert decide(last=True, age=1e6) == rules.Wait()
        assert decide(age=1e6) == rules.Wait()

    def test_failures_do_not_stop_a_rollback(self) -> None:
        assert decide(installed=5, failed=5, last=True, rollback=True) == rules.Finish()

    @given(
        st.builds(progress, **dict.fromkeys(["unsent", "installed", "failed", "online", "absent"], st.integers(0, 9)))
    )
    def test_nothing_moves_on_while_too_many_of_those_who_answered_failed(self, found: rules.Progress) -> None:
        answered = found.installed + found.failed
        if answered and found.failed / answered > LIMITS.failure_share:
            assert isinstance(rules.next_action(found, LIMITS), rules.RollBack | rules.Wait)


class TestAnswer:
    def test_an_answer_to_this_deployment_counts(self) -> None:
        assert self.answer(answered=DEPLOYMENT, outcome="installed", model="v2") == rules.Answer(
            states.InstallState.INSTALLED
        )

    def test_a_failure_keeps_its_reason(self) -> None:
        failed = self.answer(answered=DEPLOYMENT, outcome="failed", reason="hash differs", model="v1")

        assert failed == rules.Answer(states.InstallState.FAILED, "hash differs")

    def test_an_answer_to_another_deployment_says_nothing(self) -> None:
        assert self.answer(answered=uuid.UUID(int=2), outcome="failed", model="v1") is None

    def test_a_device_that_runs_the_target_has_it_whatever_it_answers(self) -> None:
        assert self.answer(model="v2") == rules.Answer(states.InstallState.INSTALLED)
        assert self.answer(answered=uuid.UUID(int=2), outcome="failed", model="v2") == rules.Answer(
            states.InstallState.INSTALLED
        )

    def test_a_report_without_an_answer_of_another_model_is_ignored(self) -> None:
        assert self.answer(model="v1") is None
        assert self.answer(model=None) is None

    @staticmethod
    def answer(
        answered: uuid.UUID | None = None, outcome: str | None = None, reason: str = "", model: str | None = None
    ) -> rules.Answer | None:
        return rules.answer(DEPLOYMENT, "v2", answered=answered, outcome=outcome, reason=reason, model=model)


class TestLastGood:
    def test_what_ran_before_comes_first(self) -> None:
        assert rules.last_good(4, 1, {1: "succeeded", 2: "succeeded", 4: "running"}) == 1

    def test_a_version_that_was_taken_back_is_passed_over(self) -> None:
        assert rules.last_good(4, 3, {1: "succeeded", 2: "succeeded", 3: "rolled_back", 4: "running"}) == 2

    def test_a_newer_version_is_no_way_back(self) -> None:
        assert rules.last_good(1, 2, {1: "succeeded", 2: "rolled_back", 3: "succeeded"}) is None

    def test_a_superseded_version_never_proved_good(self) -> None:
        assert rules.last_good(3, None, {1: "superseded", 3: "running"}) is None

    def test_the_bad_version_itself_is_no_way_back(self) -> None:
        assert rules.last_good(2, 2, {2: "succeeded"}) is None


def test_the_wire_writes_a_model_version_with_a_v() -> None:
    assert rules.model_name(12) == "v12"
