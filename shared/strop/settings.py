"""The settings of every service: environment variables. AWS credentials and endpoints are botocore's own variables."""

import os

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict


class WithSecrets(BaseSettings):
    """A setting may also be a file of STROP_SECRETS_DIR, named like its variable in small letters (`database_url`).

    So passwords stay out of the environment, which shows in many places.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is no such file
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - made here, of the environment as it is now
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        folder = os.environ.get("STROP_SECRETS_DIR")
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, folder)


class Settings(WithSecrets):
    """Shared by all services; a service adds its own beside these."""

    model_config = SettingsConfigDict(env_prefix="STROP_", extra="ignore", populate_by_name=True)

    database_url: str = Field(validation_alias="DATABASE_URL", description="postgresql://user:password@host:port/name")
    mqtt_url: str = Field(validation_alias="MQTT_URL", description="mqtt://[user:password@]host:port, or mqtts://")
    mqtt_ca: str | None = Field(None, description="CA file for mqtts://, when it is not a public one")
    mqtt_cert: str | None = Field(None, description="client certificate file for mqtts://")
    mqtt_key: str | None = Field(None, description="and its key")
    mqtt_shared: bool = Field(True, description="use shared subscriptions, so that copies of a service split the work")
    mqtt_group: str | None = Field(
        None,
        description="name of the shared subscription's group; keep it secret, since a client that joins it takes part of the "
        "messages away. Default: {prefix}-{service}",
    )
    mqtt_dynamic_security: bool = Field(
        False,
        description="the broker is Mosquitto with its dynamic-security plugin, in which the enrolled devices and their rights "
        "are listed",
    )
    mqtt_client_id: str | None = Field(None, description="stable MQTT client id of this copy; default: strop-{service}")
    bucket: str = Field("strop", description="the bucket of images, data sets and models")
    queue_prefix: str = Field("strop", description="queues are named {prefix}-{service}")
    s3_url: str | None = Field(
        None, validation_alias="AWS_ENDPOINT_URL_S3", description="S3 endpoint other than AWS's own"
    )
    public_s3_url: str | None = Field(None, description="S3 address that devices and browsers reach, when it differs")
    reconcile_after: float = Field(
        600,
        gt=0,
        description="seconds that a row waits for an event until the event is emitted again; then at twice that age, and so on",
    )
    host: str = Field("127.0.0.1", description="address the HTTP port binds")
    port: int = Field(8080, description="HTTP port: pages, API, /healthz, /readyz, /metrics")
    control_urls: dict[str, str] = Field(
        default_factory=dict,
        description='internal URLs of other services, such as {"SERVICE": "http://SERVICE:8080"}: this process forwards '
        "/api/control/SERVICE/ to them",
    )
    session_cookie: str | None = Field(
        None, description="name of the sign-in cookie: one name for services that have ports of their own on one host"
    )
    log_json: bool = Field(True, description="logs as JSON lines; else for people")
    traces: str | None = Field(
        None,
        validation_alias=AliasChoices("STROP_TRACES", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="OpenTelemetry collector (OTLP over HTTP), such as http://collector:4318; without it, no traces",
    )
