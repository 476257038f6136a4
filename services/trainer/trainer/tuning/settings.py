"""The hyperparameters of fine-tuning; README.md ("Backends") has them for people."""

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class Options(BaseModel):
    """Defaults are those that were measured (docs/decisions/0024); they were chosen on other images than a project's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lr: float = Field(5e-4, gt=0, lt=1)  # learning rate of the tail
    classifier_lr: float = Field(2.5e-3, gt=0, lt=1)
    weight_decay: float = Field(0.05, ge=0)  # of the convolutions
    smoothing: float = Field(0.1, ge=0, lt=1)  # of the labels
    batch: int = Field(32, ge=2, le=1024)  # images
    epochs: PositiveInt = 6  # at most
    patience: PositiveInt = 3  # epochs without a lower loss on held-out images after which it stops
    warmup: int = Field(20, ge=0)  # steps
    average: float = Field(0.98, ge=0, lt=1)  # how much of the averaged weights a step keeps
    seed: int = Field(0, ge=0)
    threads: PositiveInt = 2  # of PyTorch; another number rounds otherwise
    mix: bool = True  # ship the mean of the tuned tail and of a head on the backbone as it is; 1.4 times the latency
    refit: bool = True  # after early stopping, tune once more with the held-out images
    known_rejected: float = Field(0.05, gt=0, lt=1)  # share of known images that the novelty threshold may reject
