"""The result of each held-out image, one a line: the object that `evaluations.outcomes_key` names."""

from typing import Any

from pydantic import Field, model_validator

from strop_contracts.documents.base import Line


class Outcome(Line):
    """One held-out image; the true or false positive or negative for each label follows from it."""

    sha256: str
    label: str  # the truth
    predicted: str  # the best label, answered or not
    confidence: float
    margin: float  # to the second best
    passed: bool  # the confidence reaches the predicted label's threshold: a device answers a request with it
    novelty: float | None = None  # larger is more novel; None from a model without this output
    novel: bool = False  # above the model's novelty threshold
    answers: tuple[str, ...]  # of a hosted model, best first: labels from their assumed threshold; none when novel
    confidences: dict[str, float] = Field(default_factory=dict)  # all labels, best first

    @property
    def right(self) -> bool:
        """Whether the best label is the truth."""
        return self.label == self.predicted

    @model_validator(mode="before")
    @classmethod
    def _before_answers(cls, data: Any) -> Any:
        """Objects are never rewritten: those older than hosted models have only the best label."""
        if isinstance(data, dict) and "answers" not in data:
            return {**data, "answers": [data["predicted"]] if data.get("passed") else []}
        return data
