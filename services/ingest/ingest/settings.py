"""The settings of ingest, beside those of every service."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read when the service starts."""

    model_config = SettingsConfigDict(env_prefix="STROP_INGEST_", frozen=True)

    sources: list[str] = Field(
        ["mqtt", "s3"],
        description="where captures and images come from, as JSON; the same in all replicas: `mqtt`, `s3`, or `recording`, "
        "which delivers nothing",
    )
