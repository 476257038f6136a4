"""Writes notifications as the bucket sends them, for changes whose own notification was lost."""

import json
from datetime import datetime
from urllib.parse import quote_plus


def write(key: str, at: datetime, *, removed: bool = False, sequencer: str = "") -> str:
    """Return the body of a message that reports one object, written or removed at this time."""
    record = {
        "eventName": "ObjectRemoved:Sweep" if removed else "ObjectCreated:Sweep",
        "eventTime": at.isoformat(),
        "s3": {"object": {"key": quote_plus(key, safe="/"), "sequencer": sequencer}},
    }
    return json.dumps({"Records": [record]})
