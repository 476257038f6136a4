from datetime import UTC, datetime
from uuid import UUID

from strop_cli import trace
from strop_contracts import control_trace as documents

AT = datetime(2026, 11, 29, 12, tzinfo=UTC)
ANNOUNCED = {
    "id": UUID(int=7), "project": "bottles", "device": "line-1", "captured_at": AT, "at": AT, "model": "v1",
    "predictions": [{"label": "can", "confidence": 0.55}], "reason": "low", "audit": False, "audit_probability": 0.05,
    "probability": 1, "policy": 3, "sha256": "0" * 64, "size": 60000, "seen": 1,
}  # fmt: skip


def test_a_capture_that_was_only_announced_waits_for_its_route() -> None:
    lines = trace.lines(documents.Trace.model_validate(ANNOUNCED))

    assert lines[1] == "prediction  can 55.0% by v1; kept as low with probability 1"
    assert lines[2:] == [
        "route       not decided yet",
        "upload      not requested",
        "label       none",
        "dataset     no dataset version contains it",
    ]


def test_every_step_of_a_journey_is_one_line() -> None:
    model = {"version": 2, "state": "approved", "at": AT, "devices": 40}
    found = documents.Trace.model_validate({
        **ANNOUNCED,
        "audit": True,
        "route": {"at": AT, "upload": True, "reason": "audit", "probability": 0.05, "policy": 3},
        "upload": {"state": "stored", "reason": None, "stored_at": AT},
        "answers": [{"at": AT, "author": "bo", "answer": "label", "label": "can", "source": "page", "undone_at": AT}],
        "truth": {"at": AT, "label": "mug", "author": "ada"},
        "datasets": [{"version": 4, "at": AT, "label": "mug", "part": "golden", "models": [model]}],
        "unsearched": 3,
    })  # fmt: skip

    assert trace.lines(found)[1:] == [
        "prediction  can 55.0% by v1; kept as low with probability 1, audit with probability 0.05",
        "route       upload: audit, probability 0.05, policy 3",
        "upload      stored 2026-11-29 12:00:00",
        "answer      can by bo (page), 2026-11-29 12:00, taken back",
        "label       mug by ada, 2026-11-29 12:00",
        "dataset     version 4, as mug, for judging",
        "model       v2 approved, on 40 devices",
        "            3 older dataset versions were not searched",
    ]
