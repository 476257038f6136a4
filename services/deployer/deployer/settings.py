"""The settings of the deployer, beside those of every service."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Share = Annotated[float, Field(gt=0, le=1)]


class Settings(BaseSettings):
    """Seconds are seconds; shares run from 0 to 1."""

    model_config = SettingsConfigDict(env_prefix="STROP_DEPLOYER_", frozen=True)

    target: str = Field("mqtt", description="how devices are reached: `mqtt`, or `recording`, which delivers nothing")
    stages: list[Share] = Field([0.05, 0.25, 1.0], description="cumulative shares of the fleet, as JSON; the last is 1")
    soak: float = Field(
        900, ge=0, description="time that a stage runs before the next one opens; 0: behaviour is not checked"
    )
    min_predictions: int = Field(200, ge=0, description="predictions of the new model before the second stage opens")
    stage_timeout: float = Field(
        3600, gt=0, description="after this time a device without an answer no longer blocks its stage"
    )
    failure_share: float = Field(0.2, ge=0, lt=1, description="above this share of failed installs all roll back")
    minimum_share: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="share of the devices with a published order that must have installed before the next stage opens",
    )
    online_window: float = Field(300, gt=0, description="a device seen within this time counts as online")
    resend_after: float = Field(
        300, gt=0, description="the order is published again for a device that was seen since and did not answer"
    )
    batch: int = Field(1000, ge=1, le=5000, description="most orders that are leased and published together")
    rate: float = Field(
        0, ge=0, description="most orders published per second; 0: as many as the broker takes (AWS IoT Core: 100)"
    )
    tick: float = Field(1, gt=0, description="pause between two ticks")

    @model_validator(mode="after")
    def _stages_rise_to_all(self) -> Self:
        if not self.stages or self.stages != sorted(set(self.stages)) or self.stages[-1] != 1:
            raise ValueError("stages must rise and end with 1, such as [0.25, 1.0]")
        return self
