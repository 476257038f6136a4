"""The progress of a training run: `training_runs.progress`."""

from strop_contracts.documents.base import Document


class Progress(Document):
    """The step and how much of it is done; empty until the first step begins."""

    step: str = ""
    done: int = 0
    total: int = 0
    left: float | None = None  # seconds that the step will take from now, at its present rate

    @property
    def words(self) -> str:
        """The progress for people; empty before the first step."""
        done = f"{self.step} {self.done} of {self.total}" if self.total else self.step
        return f"{done}, {_duration(self.left)} left" if self.left is not None else done


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
