"""Every lost event is emitted again by one service, with all of its fields."""

from collections import Counter

import pytest

from strop_contracts import events, services, topology, waits

ALL = [(service, wait) for service, kinds in waits.BY_SERVICE.items() for wait in kinds]


def test_the_loss_of_every_event_is_repaired() -> None:
    repaired = {kind for _, wait in ALL for kind in (wait.event, *wait.heals)} | waits.ELSEWHERE.keys()

    assert repaired == topology.ROUTES.keys()


def test_kinds_have_different_names() -> None:
    assert max(Counter(wait.kind for _, wait in ALL).values()) == 1


@pytest.mark.parametrize(("service", "wait"), ALL, ids=[wait.kind for _, wait in ALL])
def test_a_wait_selects_the_fields_of_its_event(service: str, wait: waits.Wait) -> None:
    selected = {column.name for column in wait.rows.selected_columns}
    needed = {name for name, field in wait.event.model_fields.items() if field.is_required()}

    assert services.get(service).consumes
    assert needed | {"since"} <= selected <= wait.event.model_fields.keys() | {"since"}
    assert issubclass(wait.event, events.Event)
