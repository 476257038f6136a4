"""The map of the system is complete."""

from strop_contracts import events, topology


def test_every_event_goes_somewhere() -> None:
    ours = {kind for kind in events.Event.registry.values() if kind.__module__ == events.__name__}

    assert set(topology.ROUTES) == ours
    assert all(topology.ROUTES.values())


def test_events_go_to_services_only() -> None:
    assert {queue for queues in topology.ROUTES.values() for queue in queues} == set(topology.SERVICES)
