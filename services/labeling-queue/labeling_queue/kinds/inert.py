"""A kind that does nothing: it makes no tasks, and its answers make no ground truth. An example, and the double of tests."""

from collections.abc import Iterable, Sequence

from labeling_queue import rules
from labeling_queue.kinds import base, image
from strop_contracts import tables


class InertKind(image.ImageKind):
    """Tasks of this kind are inserted by hand; they look like those of one image."""

    def tasks(self, stored: Iterable[tables.Capture]) -> list[base.NewTask]:  # noqa: ARG002 - it chooses none
        return []

    def conclude(self, standing: Sequence[rules.Given]) -> base.Conclusion:
        return base.Conclusion(open=not standing)
