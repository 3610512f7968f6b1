"""Alerts as JSON, for the outbox: what is queued today is still read after an upgrade."""

from __future__ import annotations

from pydantic import TypeAdapter

from monitor.values import Alert

_ALERT = TypeAdapter(Alert)


def alert_to_json(alert: Alert) -> str:
    """Return ``alert`` as one line of JSON."""
    return _ALERT.dump_json(alert).decode()


def alert_from_json(text: str) -> Alert:
    """Return the alert that ``alert_to_json`` wrote; keys that are new since then get defaults."""
    return _ALERT.validate_json(text)
