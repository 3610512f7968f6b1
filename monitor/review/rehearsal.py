"""What would become of an alert: its labels, its channels, when, and why. Tells nobody.

Joins the rules' labels with the alerts' routes, which neither may do by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from monitor.alerts.hold import hold
from monitor.alerts.policy import policy_of
from monitor.alerts.route import Destination, Labels, Router
from monitor.alerts.rows import Matched, labels_of
from monitor.alerts.throttle import Ledger
from monitor.config.hours import DAY_NAMES
from monitor.config.models import Settings
from monitor.errors import UsageError
from monitor.rules import RuleSet, plain
from monitor.values import (
    Document,
    EntityMention,
    MarkedText,
    Match,
    Severity,
    Story,
    StoryDecision,
    Summary,
)


def labels_of_text(
    document: Document, ruleset: RuleSet, settings: Settings, now: datetime
) -> Labels:
    """Return the labels that an alert about ``document`` would have; no rules where none match."""
    document = plain(document)
    matches: tuple[Match, ...] = ruleset.match(document)
    entities: tuple[EntityMention, ...] = ruleset.entities(document)
    story = Story(document.id, document.title, now, now)
    matched = Matched(
        document,
        document.id,
        now,
        StoryDecision(story, "new", ""),
        matches,
        entities,
        Summary("", MarkedText("")),
    )
    return labels_of(matched, {rule.name: rule for rule in settings.rules})


def rehearse(labels: Labels, router: Router, settings: Settings, at: datetime) -> dict[str, Any]:
    """Return where an alert with ``labels`` would go at ``at`` and why, as JSON values; throttles
    are taken to have room."""
    destinations = router.route(labels) if labels.rules else ()
    return {
        "rules": list(labels.rules),
        "severity": labels.severity.label,
        "entities": list(labels.entities),
        "at": _text(at),
        "to": [_destination(each, labels, router, settings, at) for each in destinations],
        "walk": {rule: list(router.walk(labels, rule)) for rule in labels.rules},
    }


def _destination(
    destination: Destination, labels: Labels, router: Router, settings: Settings, at: datetime
) -> dict[str, Any]:
    policy = policy_of(destination, settings)
    wait = None
    if labels.severity is not Severity.CRITICAL:
        wait = hold(labels, destination, policy, router.rules, (), Ledger(), (), at)
    held = wait if wait is not None and wait.until > at else None
    return {
        "channel": destination.channel,
        "via": destination.via,
        "mention": list(destination.mention),
        "when": "held" if held else "now",
        "until": _text(held.until) if held else None,
        "why": held.why if held else "",
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class _Wall:
    day: int | None
    clock: time


_WALL = re.compile(r"(?:([a-z]{3})[a-z]*\s+)?(\d{1,2}):(\d{2})")


def moment(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    """Read ``2026-12-25T03:00`` (local unless it says otherwise), ``sat 03:00`` (the next
    Saturday, today included) or ``03:00`` (today); raises ``UsageError``."""
    text = text.strip()
    wall = _wall(text.lower())
    if wall is not None:
        day = now.astimezone(zone).date()
        if wall.day is not None:
            day += timedelta(days=(wall.day - day.weekday()) % 7)
        return datetime.combine(day, wall.clock, zone)
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time: write 2026-12-25T03:00, 'sat 03:00' or 03:00"
        ) from None
    return read if read.tzinfo else read.replace(tzinfo=zone)


def _wall(text: str) -> _Wall | None:
    found = _WALL.fullmatch(text)
    if not found or (found[1] and found[1] not in DAY_NAMES):
        return None
    try:
        clock = time(int(found[2]), int(found[3]))
    except ValueError:
        return None
    return _Wall(DAY_NAMES.index(found[1]) if found[1] else None, clock)
