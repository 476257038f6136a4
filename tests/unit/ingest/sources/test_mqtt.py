"""What ingest subscribes to, and as which client."""

from ingest.sources import mqtt
from strop.settings import Settings


def settings(**changes: object) -> Settings:
    return Settings.model_validate({"database_url": "postgresql://", "mqtt_url": "mqtt://", **changes})


def test_several_ingests_share_one_subscription() -> None:
    assert mqtt.filters(settings(mqtt_shared=True)) == [
        "$share/strop-ingest/strop/+/+/capture",
        "$share/strop-ingest/strop/+/+/state",
        "$share/strop-ingest/strop/+/+/fetch",
    ]


def test_the_group_of_the_shared_subscription_is_a_setting() -> None:
    assert mqtt.filters(settings(mqtt_group="secret"))[0] == "$share/secret/strop/+/+/capture"


def test_a_broker_without_shared_subscriptions_gets_plain_ones() -> None:
    assert mqtt.filters(settings(mqtt_shared=False))[0] == "strop/+/+/capture"


def test_each_copy_can_have_a_stable_client_id() -> None:
    assert mqtt.client_id(settings()) == "strop-ingest"
    assert mqtt.client_id(settings(mqtt_client_id="copy-2")) == "copy-2-ingest"
