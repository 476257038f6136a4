"""The map of the system is complete."""

from strop_contracts import events, topology


def test_every_event_goes_somewhere() -> None:
    ours = {kind for kind in events.Event.registry.values() if kind.__module__ == events.__name__}

    assert set(topology.ROUTES) == ours
    assert all(topology.ROUTES.values())


def test_events_go_to_services_only() -> None:
    assert {queue for queues in topology.ROUTES.values() for queue in queues} == set(topology.SERVICES)


def test_the_events_of_the_bucket_have_a_queue_and_share_the_dead_letters_of_ingest() -> None:
    assert topology.queues("ingest") == ("ingest", topology.IMAGES)
    assert topology.queues("router") == ("router",)
    assert topology.dead_letter(topology.IMAGES) == topology.dead_letter("ingest") == "ingest-dlq"
