"""The settings of the console, beside those of every service."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where the Custom Labels API is, and how much memory pictures may take."""

    model_config = SettingsConfigDict(env_prefix="STROP_CONSOLE_", frozen=True, extra="ignore", populate_by_name=True)

    rekognition_url: str | None = Field(
        None, validation_alias="AWS_ENDPOINT_URL_REKOGNITION", description="the Custom Labels API behind the buttons"
    )
    public_rekognition_url: str | None = Field(
        None, description="its address in the commands that pages show, when people reach it by another one"
    )
    thumbnails: int = Field(64, ge=1, description="MB of memory for small pictures that were made already")
