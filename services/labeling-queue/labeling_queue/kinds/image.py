"""One image, one answer: the newest answer that stands is the ground truth."""

from collections.abc import Iterable, Sequence

from labeling_queue import rules, schemas
from labeling_queue.kinds import base
from strop_contracts import tables

PREDICTIONS = 5
"""Predictions that are shown."""


class ImageKind:
    def tasks(self, stored: Iterable[tables.Capture]) -> list[base.NewTask]:
        return [base.NewTask(each, rules.priority(each.sha256, each.margin, audit=each.audit)) for each in stored]

    def present(self, task: tables.LabelTask, capture: tables.Capture, image: tables.Image) -> schemas.Task:
        return schemas.Task.model_validate(
            {
                "id": task.id,
                "kind": task.kind,
                "image": f"/api/tasks/{task.id}/image",
                "width": image.width,
                "height": image.height,
                "device": task.device,
                "captured_at": capture.captured_at,
                "audit": capture.audit,
                "model": capture.model,
                "predictions": capture.predictions[:PREDICTIONS],
                "leased_until": task.leased_until,
            }
        )

    def conclude(self, standing: Sequence[rules.Given]) -> base.Conclusion:
        if not standing:
            return base.Conclusion(open=True)
        newest = standing[-1]
        if not rules.settles(newest.answer):
            return base.Conclusion(open=False)
        return base.Conclusion(open=False, truth=base.Truth(newest.answer.label, newest.author, newest.at))
