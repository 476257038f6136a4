"""Certificates are replaced while broker, services and devices are connected."""

import socket
import ssl
from functools import partial
from urllib.parse import urlsplit

from strop import metrics, mqtt
from strop_cli import authorities, certs
from tests.integration.ingest.access import SETTINGS, Broker, connected, until


async def test_renewed_certificates_are_used_without_a_restart(mosquitto: Broker) -> None:
    folder = mosquitto.folder
    settings = SETTINGS.model_copy(
        update={
            "mqtt_url": mosquitto.services,
            "mqtt_ca": str(folder / "ca.pem"),
            "mqtt_cert": str(folder / "strop-ingest.pem"),
            "mqtt_key": str(folder / "strop-ingest.key"),
        }
    )
    service = mqtt.Mqtt(settings.mqtt_url, "renewing", tls=partial(mqtt.tls_context, settings))
    async with connected(mosquitto, "devices/bottles/line-1") as device:
        service.start()
        await until(service.connected.is_set)
        before = _serial(mosquitto)
        certs.renew(folder)

        mosquitto.reload()
        await until(lambda: _serial(mosquitto) != before)
        await service.stop()
        service.start()
        await until(service.connected.is_set)

        expires = authorities.expiries(folder)["broker.pem"].timestamp()
        assert metrics.BROKER_CERTIFICATE_EXPIRES._value.get() == expires
        assert device.session == 1
    await service.stop()


def _serial(broker: Broker) -> str:
    """The serial number of the certificate that the broker shows now."""
    tls = ssl.create_default_context(cafile=str(broker.folder / "ca.pem"))
    tls.load_cert_chain(broker.folder / "strop-ingest.pem", broker.folder / "strop-ingest.key")
    address = urlsplit(broker.services)
    assert address.hostname
    with (
        socket.create_connection((address.hostname, address.port or 0)) as plain,
        tls.wrap_socket(plain, server_hostname=address.hostname) as link,
    ):
        certificate = link.getpeercert()
    assert certificate
    return str(certificate["serialNumber"])
