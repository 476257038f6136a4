"""The progress of a training run: `training_runs.progress`."""

from strop_contracts.documents.base import Document


class Progress(Document):
    """The step and how much of it is done; empty until the first step begins."""

    step: str = ""
    done: int = 0
    total: int = 0
