"""Reading the JSON notes a feed's state carries, whatever an older or newer version left there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime


def number(notes: Mapping[str, object], name: str, default: float = 0.0) -> float:
    """Return a finite number that is not negative, or ``default``."""
    value = notes.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return default
    return float(value) if math.isfinite(value) and value >= 0 else default


def values(notes: Mapping[str, object], name: str) -> list[object]:
    """Return a list, or an empty one."""
    value = notes.get(name)
    return list(value) if isinstance(value, (list, tuple)) else []


def moment(notes: Mapping[str, object], name: str) -> datetime | None:
    """Return an ISO 8601 time as an aware datetime, or None."""
    value = notes.get(name)
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if found is None:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
