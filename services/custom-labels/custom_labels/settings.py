"""The settings of custom-labels, beside those of every service."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from custom_labels.api import cors
from strop.settings import WithSecrets


class Settings(WithSecrets):
    """The signing keys, the names that stand in every ARN, and what bounds hosted models."""

    # The keys may be the file `strop_custom_labels_keys` of STROP_SECRETS_DIR: see strop.settings.
    model_config = SettingsConfigDict(
        env_prefix="STROP_CUSTOM_LABELS_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
    )

    keys: SecretStr | None = Field(
        None, description="who may ask, as AKID:SECRET[,AKID:SECRET…]; default: the service's own AWS key pair"
    )
    own_key_id: str | None = Field(None, validation_alias="AWS_ACCESS_KEY_ID", description="the service's own AWS key")
    own_secret: SecretStr | None = Field(None, validation_alias="AWS_SECRET_ACCESS_KEY", description="and its secret")
    account: str = Field("123456789012", pattern=r"^[0-9]{12}$", description="account id in ARNs")
    region: str = Field("us-east-1", pattern=r"^[a-z0-9-]+$", description="region in ARNs; clients may sign for any")
    origins: str = Field(
        "", description="web pages that may call: *, local (any port of this machine), or origins; empty: none"
    )
    cache: Path = Field(Path("custom-labels-cache"), description="folder for the files of models that run here")
    idle_stop: float = Field(3600, ge=0, description="seconds without a request until a model stops itself; 0: never")
    max_units: int = Field(5, ge=1, description="inference units that one model may have")

    @model_validator(mode="after")
    def _keys_can_be_read(self) -> Self:
        for pair in self.keys.get_secret_value().split(",") if self.keys else ():
            key_id, _, secret = pair.strip().partition(":")
            if not (key_id and secret):
                raise ValueError("keys are pairs AKID:SECRET, with commas between them")
        return self

    @field_validator("origins")
    @classmethod
    def _origins_can_be_read(cls, value: str) -> str:
        cors.Origins(value)
        return value

    def secrets(self) -> dict[str, str]:
        """Who may ask: access key id -> secret."""
        if self.keys:
            pairs = (pair.strip().partition(":") for pair in self.keys.get_secret_value().split(","))
            return {key_id: secret for key_id, _, secret in pairs}
        if self.own_key_id and self.own_secret:
            return {self.own_key_id: self.own_secret.get_secret_value()}
        return {}
