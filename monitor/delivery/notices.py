"""What the ops channel is told about delivery. Pure: from facts to alerts, and alerts to rows."""

from __future__ import annotations

from datetime import datetime

from monitor.codec import alert_to_json
from monitor.ids import new_id
from monitor.store.port import OutboxRow
from monitor.values import Alert, Severity

WAITING = "Its alerts wait and are sent when it works again."


def channel_parked(channel: str, reason: str, hint: str, now: datetime) -> Alert:
    """A channel takes nothing until a person acts."""
    todo = f"{hint[:1].upper()}{hint[1:]}. " if hint else ""
    return _notice(
        f"ops/{channel}/{reason}",
        f"Channel “{channel}” takes no messages: {reason}",
        todo + WAITING,
        now,
    )


def history_unreadable(channel: str, reason: str, now: datetime) -> Alert:
    """Unclear outcomes can't be settled, so a lost answer may mean a double."""
    return _notice(
        f"ops/{channel}/history",
        f"The history of channel “{channel}” can't be read",
        f"{reason}. Until then a message whose outcome is unclear is sent twice.",
        now,
    )


def unknown_channel(channel: str, count: int, now: datetime) -> Alert:
    """Alerts are queued for a channel that the configuration doesn't have (any more)."""
    what = "alert waits" if count == 1 else "alerts wait"
    return _notice(
        f"ops/{channel}/not_configured",
        f"{count} {what} for “{channel}”, which is not a configured channel",
        f"Add it under channels:, or drop them: newswatch outbox drop --channel {channel}",
        now,
    )


def _notice(story_id: str, title: str, reason: str, now: datetime) -> Alert:
    """Return an ops message; its revision is the day, so that it comes once a day at most."""
    return Alert(
        kind="ops",
        channel="ops",
        story_id=story_id,
        title=title,
        reason=reason,
        first_seen=now,
        severity=Severity.HIGH,
        revision=now.toordinal(),
    )


def queued(alert: Alert, now: datetime) -> OutboxRow:
    """Return a new outbox row for ``alert``, due at ``now``."""
    return OutboxRow(
        id=new_id(now),
        channel=alert.channel,
        kind=alert.kind,
        story_id=alert.story_id,
        revision=alert.revision,
        severity=int(alert.severity),
        payload=alert_to_json(alert),
        state="queued",
        created_at=now,
        not_before=now,
    )
