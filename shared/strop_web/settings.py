"""Where people reach the services that have pages."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_FORM = "a URL, or `:PORT` for a port of the host that the browser used; without it, pages link to it if it is in the same process"


class Addresses(BaseSettings):
    """The public URL of each service with pages, in `{package}_url`."""

    model_config = SettingsConfigDict(env_prefix="STROP_", frozen=True, extra="ignore")

    labeling_queue_url: str | None = Field(None, description=f"public URL of the labeling pages: {_FORM}")
    console_url: str | None = Field(None, description=f"public URL of the console: {_FORM}")
