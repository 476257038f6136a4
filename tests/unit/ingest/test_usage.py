"""Arithmetic of counts: maximum, increase, sums."""

from hypothesis import given
from hypothesis import strategies as st

from ingest import usage
from strop_wire import reports
from tests import factories
from tests.unit.strop_wire import strategies


def bins(*counts: int) -> list[int]:
    return [*counts, *[0] * (reports.BINS - len(counts))]


@given(st.lists(strategies.usages, min_size=1, max_size=4), st.randoms())
def test_the_maximum_is_the_same_in_every_order_and_with_repeats(reported: list[reports.Usage], random: object) -> None:
    repeated = [*reported, *reported]
    random.shuffle(repeated)  # type: ignore[attr-defined]

    def whole(each: list[reports.Usage]) -> dict[str, object]:
        known = usage.EMPTY
        for new in each:
            known = usage.maximum(known, new)
        return usage.increase(usage.EMPTY, known)

    assert whole(repeated) == whole(reported)


def test_increases_add_up_to_the_last_report() -> None:
    first = factories.usage({"can": bins(1, 2)}, rejected=1, kept={"low": 1})
    second = factories.usage({"can": bins(1, 5), "jar": bins(4)}, rejected=3, failed=2, kept={"low": 2, "audit": 1})

    parts = [usage.increase(usage.EMPTY, first), usage.increase(first, usage.maximum(first, second))]

    assert parts[1]["predictions"] == {"can": bins(0, 3), "jar": bins(4)}
    assert usage.total(*parts) == usage.increase(usage.EMPTY, second)


def test_a_report_of_some_labels_leaves_the_others() -> None:
    known = factories.usage({"can": bins(3), "jar": bins(1)})

    maximum = usage.maximum(known, factories.usage({"jar": bins(2)}, latency=known.latency))

    assert maximum.predictions == {"can": bins(3), "jar": bins(2)}
    assert usage.increase(known, maximum)["classified"] == 1


def test_counts_that_decrease_change_nothing() -> None:
    known = factories.usage({"can": bins(3)}, failed=2)

    assert usage.maximum(known, factories.usage({"can": bins(1)})) == known


def test_sums_stay_within_their_columns() -> None:
    most = usage.increase(usage.EMPTY, factories.usage({"a": [reports.MAX_COUNT] * 10}, failed=reports.MAX_COUNT))

    total = usage.total(most, most)

    assert (total["classified"], total["failed"]) == (reports.MAX_COUNT, reports.MAX_COUNT)
    assert total["predictions"] == {"a": [reports.MAX_COUNT] * 10}


def test_labels_above_the_limit_are_not_stored() -> None:
    known = factories.usage({str(number): bins(1) for number in range(usage.MAX_LABELS)})

    maximum = usage.maximum(known, factories.usage({"0": bins(2), "another": bins(1)}))

    assert len(maximum.predictions) == usage.MAX_LABELS
    assert maximum.predictions["0"] == bins(2)
