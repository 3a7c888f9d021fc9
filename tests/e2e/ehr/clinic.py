"""The records of the clinic, dated from today, since a served process lives today."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.ehr.records import TODAY, typical


def records_of_today() -> list[dict[str, Any]]:
    """Return the typical record with every date moved by as many days as have passed."""
    passed = datetime.now(UTC).date() - TODAY

    def moved(value: object) -> object:
        if isinstance(value, dict):
            return {name: moved(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [moved(inner) for inner in value]
        if isinstance(value, str) and len(value) == 10 and value[4:5] == value[7:8] == "-":
            return (date.fromisoformat(value) + timedelta(days=passed.days)).isoformat()
        return value

    record: list[dict[str, Any]] = json.loads(json.dumps(moved(typical())))
    return record
