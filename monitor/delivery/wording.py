"""What a message says, whatever the channel: first line, title, passage, list lines. Pure."""

from __future__ import annotations

from monitor.delivery.text import around, clean, shown, shown_around
from monitor.values import Alert, AlertItem, Mark, MarkedText, Severity

STORY_KINDS = ("alert", "update", "escalation")
TITLES = {
    "digest": "Digest",
    "baseline": "Now watching",
    "catch_up": "While this channel couldn't be reached",
    "ops": "News watch",
    "test": "News watch: test message",
}
# A feed may send 200 KB as a title; a headline of more than 250 characters is no headline.
TITLE_MAX = 250
QUOTE_MAX = 400
NAME_MAX = 80
REASON_MAX = 200
RULES_SHOWN = 3
TERMS_SHOWN = 5
SOURCES_SHOWN = 4


def headline(alert: Alert) -> str:
    """Return the first line: severity (when not normal), rules, number of sources."""
    parts = []
    if alert.severity is not Severity.NORMAL:
        parts.append(alert.severity.label.upper())
    parts.append(rule_names(alert))
    if len(alert.sources) > 1:
        parts.append(f"{len(alert.sources)} sources")
    return " · ".join(filter(None, parts))


def rule_names(alert: Alert) -> str:
    """Return the rules' names, the first few of them."""
    return _first_few(alert.rules, RULES_SHOWN, NAME_MAX)


def source_names(alert: Alert) -> str:
    """Return the sources' names, the first few of them."""
    return _first_few(alert.sources or (alert.source,), SOURCES_SHOWN, NAME_MAX)


def term_names(alert: Alert) -> str:
    """Return the terms that matched, the first few of them."""
    return _first_few(tuple(dict.fromkeys(alert.terms)), TERMS_SHOWN, 40)


def _first_few(names: tuple[str, ...], few: int, most: int) -> str:
    told = [name for name in (shown(each, most) for each in names[:few]) if name]
    more = f" +{len(names) - few}" if len(names) > few else ""
    return ", ".join(told) + more


def title_of(alert: Alert) -> str:
    """Return the title as shown."""
    return shown(alert.title, TITLE_MAX) or TITLES.get(alert.kind) or "(no title)"


def reason_of(alert: Alert) -> str:
    """Return why now, as shown."""
    return shown(alert.reason, REASON_MAX)


def passage(alert: Alert) -> MarkedText:
    """Return what is quoted of the story: its first sentence when there is room, and the
    sentence that matched; empty when that would only repeat the title."""
    if alert.summary is None:
        return MarkedText("")
    found = shown_around(alert.summary.quote, QUOTE_MAX)
    lead, title = shown(alert.summary.lead, QUOTE_MAX), clean(alert.title[: 4 * TITLE_MAX])
    if found.text in ("", title):
        return MarkedText(lead if lead != title else "")
    if lead and lead != title and lead not in found.text and found.text not in lead:
        ahead = len(lead) + 3
        if ahead + len(found.text) <= QUOTE_MAX:
            marks = tuple(Mark(mark.start + ahead, mark.end + ahead) for mark in found.marks)
            return MarkedText(f"{lead} … {found.text}", marks)
    return around(found, QUOTE_MAX)


def notification(alert: Alert) -> str:
    """Return the message in one line, as a phone's notification shows it."""
    if alert.kind not in STORY_KINDS:
        text = title_of(alert)
        if alert.items:
            first = shown(urgent_first(alert.items)[0].title, TITLE_MAX)
            count = len(alert.items)
            return f"{text}: {count} {'story' if count == 1 else 'stories'}, {first}"
        return f"{text}: {reason_of(alert)}" if alert.reason else text
    first_line, source = headline(alert), shown(alert.source, NAME_MAX)
    text = f"{first_line}: {title_of(alert)}" if first_line else title_of(alert)
    if alert.kind != "alert" and alert.reason:
        text += f", {reason_of(alert)}"
    return f"{text} ({source})" if source else text


def urgent_first(items: tuple[AlertItem, ...]) -> tuple[AlertItem, ...]:
    """Return ``items`` by severity, highest first, in their own order otherwise."""
    return tuple(sorted(items, key=lambda item: -item.severity))


def item_of(alert: Alert) -> AlertItem:
    """Return the line that stands for ``alert`` in a digest."""
    return AlertItem(
        title=alert.title,
        url=alert.url,
        source=alert.source,
        rule=", ".join(alert.rules),
        published=alert.published or alert.first_seen,
        severity=Severity(alert.severity),
        sources=max(1, len(alert.sources)),
    )
