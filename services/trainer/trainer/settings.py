"""The settings of the trainer, beside those of every service."""

from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Times are seconds."""

    model_config = SettingsConfigDict(env_prefix="STROP_TRAINER_", frozen=True)

    min_labels: int = Field(100, ge=1, description="of a project that sets nothing: new labels that ask for a training")
    debounce: float = Field(60, ge=0, description="the same: wait until no label has come for so long")
    max_wait: float = Field(1800, ge=0, description="the same: but not longer than this after enough labels were there")
    cooldown: float = Field(
        600, ge=0, description="the same: pause between the end of one training and the start of the next"
    )
    backend: str = Field(
        "head",
        description="how models of fleets are trained where a project has no setting: `head`, `finetune`, or `constant`",
    )
    options: dict[str, Any] = Field({}, description="options of the backend, as JSON")
    model_key: Path | None = Field(
        None, description="file of the private keys that sign models (PEM); without, they are not signed"
    )
    cache: Path = Field(Path("trainer-cache"), description="folder for images, features and the backbone")
    lease: float = Field(30, gt=1, description="a run whose trainer has been silent for so long is taken over")
    attempts: int = Field(3, ge=1, description="after so many crashes a run has failed")
    tick: float = Field(1, gt=0, description="pause between two ticks, which evaluate the triggers that are due")
