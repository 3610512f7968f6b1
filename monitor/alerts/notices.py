"""Messages about the watch itself: first runs, new rules. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from monitor.alerts.route import default_channel
from monitor.alerts.rows import outbox_row
from monitor.config.models import Settings
from monitor.store.port import OutboxRow
from monitor.values import Alert, AlertItem, Severity

SHOWN_ITEMS = 5  # of what a baseline or a new rule would have matched (design: first run)


def baseline_alert(
    ident: str,
    feeds: Mapping[str, int],
    matching: int,
    items: Sequence[AlertItem],
    settings: Settings,
    now: datetime,
) -> OutboxRow | None:
    """Return the one message about a first run, or None where no feed was baselined.

    Args:
        ident: names this baseline; the same one is queued once.
        feeds: entries that were there, by feed name.
        matching: how many of them a rule would have matched.
        items: some of those.
    """
    if not feeds:
        return None
    entries = sum(feeds.values())
    totals = [(plural("feed", len(feeds)), str(len(feeds)))]
    totals.append((f"{plural('entry', entries)} already there", str(entries)))
    totals.append(("would have matched", str(matching)))
    return outbox_row(
        Alert(
            kind="baseline",
            channel=default_channel(settings),
            story_id=f"baseline:{ident}",
            title=f"Now watching {counted('feed', len(feeds))}",
            reason="What was in the feeds before is not alerted; what comes from now on is.",
            severity=Severity.INFO,
            items=tuple(items[:SHOWN_ITEMS]),
            totals=tuple(totals),
        ),
        now,
    )


def preview_alert(
    ident: str,
    rules: Sequence[str],
    matching: int,
    items: Sequence[AlertItem],
    settings: Settings,
    now: datetime,
) -> OutboxRow | None:
    """Return the one message about new and edited rules: what they would have matched lately.

    Args:
        ident: names this version of the rules; the same one is queued once.
        rules: their names.
        matching: how many entries of the last 24 hours they match.
        items: some of those.
    """
    if not rules:
        return None
    names = ", ".join(rules[:SHOWN_ITEMS])
    more = f" and {len(rules) - SHOWN_ITEMS} more" if len(rules) > SHOWN_ITEMS else ""
    return outbox_row(
        Alert(
            kind="baseline",
            channel=default_channel(settings),
            story_id=f"rules:{ident}",
            title=f"New or edited {plural('rule', len(rules))}: {names}{more}",
            reason="Of the last 24 hours, not alerted; what comes from now on is.",
            severity=Severity.INFO,
            rules=tuple(rules),
            items=tuple(items[:SHOWN_ITEMS]),
            totals=((f"{plural('entry', matching)} would have matched", str(matching)),),
        ),
        now,
    )


def counted(noun: str, number: int) -> str:
    return f"{number} {plural(noun, number)}"


def plural(noun: str, number: int) -> str:
    if number == 1:
        return noun
    return noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
