"""Messages for tests that do not care what is in them."""

from datetime import UTC, datetime
from typing import Any

from strop_wire import ids, messages


def capture(**changes: Any) -> messages.Capture:
    values: dict[str, Any] = {
        "id": ids.new_id(),
        "captured_at": datetime.now(UTC),
        "model": "v1",
        "predictions": (messages.Prediction("red", 0.5), messages.Prediction("blue", 0.3)),
        "reason": "low",
        "audit": False,
        "audit_probability": 0.05,
        "probability": 1.0,
        "policy": 1,
        "sha256": "0" * 64,
        "size": 1,
        "content_type": "image/jpeg",
    }
    return messages.Capture(**{**values, **changes})
