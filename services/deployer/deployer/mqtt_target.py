"""Devices are told over MQTT: a retained `desired`, so that one that was away finds it when it returns."""

from strop import mqtt
from strop_wire import messages, topics


class MqttTarget:
    """Publishes `desired`; the broker's PUBACK is the receipt."""

    def __init__(self, client: mqtt.Mqtt) -> None:
        self._client = client

    @property
    def epoch(self) -> int | None:
        """The number of our session: a broker that came back may have lost what it retained."""
        return self._client.session if self._client.connected.is_set() else None

    async def send(self, project: str, device: str, desired: messages.Desired | None) -> None:
        """Publish and wait for the PUBACK; nothing desired is an empty payload, which clears what is retained."""
        payload = desired.dumps() if desired else b""
        await self._client.publish(topics.topic(project, device, "desired"), payload, retain=True)
