"""Identifiers that sort by the time they were made."""

from __future__ import annotations

from datetime import datetime

from ulid import ULID


def new_id(now: datetime) -> str:
    """Return a fresh ULID (26 characters, time-ordered; github.com/ulid/spec) for ``now``."""
    return str(ULID.from_datetime(now))
