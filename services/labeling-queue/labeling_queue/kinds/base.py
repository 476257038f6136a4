"""The interface of a kind of label task: how its tasks are made and presented, and how answers become ground truth. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from labeling_queue import rules, schemas
from strop_contracts import tables


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be made for a capture; a smaller priority comes first."""

    capture: tables.Capture
    priority: float
    draw: rules.Draw = rules.SENT  # whether it is sent to labelers


@dataclass(frozen=True, slots=True)
class Truth:
    """The agreed label of a capture; None: it was agreed that it has none."""

    label: str | None
    author: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What follows from the answers to a task: whether it needs another one, and the ground truth, if there is one."""

    open: bool
    truth: Truth | None = None


class Kind(Protocol):
    """One kind of task. `label_tasks.kind` has the name under which it is registered."""

    def tasks(self, stored: Iterable[tables.Capture]) -> Iterable[NewTask]:
        """Choose the captures that get a task of this kind. A capture has one task: the first kind that makes one decides."""

    def present(self, task: tables.LabelTask, capture: tables.Capture, image: tables.Image) -> schemas.Task:
        """Return what the labeling page and programs see of a task."""

    def conclude(self, standing: Sequence[rules.Given]) -> Conclusion:
        """Judge the answers that were not taken back, oldest first. Called again with each answer and each undo."""
