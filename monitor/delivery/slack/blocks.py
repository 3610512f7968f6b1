"""The few Block Kit pieces our messages are made of.

Feed text goes only through ``words``, ``link`` and ``plain``, which Slack takes to the letter;
mrkdwn is used for dates alone, from numbers (docs.slack.dev/reference/block-kit).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.delivery.text import Link, escape
from monitor.values import MarkedText, Severity

MARKS = 40  # each mark costs some 100 characters of a message's 13,200
Block = dict[str, Any]
Element = dict[str, Any]


def words(text: str, *, bold: bool = False, italic: bool = False) -> Element:
    """Literal text inside rich text."""
    element: Element = {"type": "text", "text": text}
    if bold or italic:
        element["style"] = {name: True for name, on in (("bold", bold), ("italic", italic)) if on}
    return element


def link(to: Link, text: str, *, bold: bool = False) -> Element:
    """A link inside rich text."""
    element: Element = {"type": "link", "url": to.url, "text": text}
    if bold:
        element["style"] = {"bold": True}
    return element


def badge(severity: Severity) -> list[Element]:
    """The severity as it stands before a line: none for normal; what asks for attention is set as
    code, which Slack shows as a red label in both themes."""
    name = severity.label.upper()
    if severity >= Severity.HIGH:
        return [{"type": "text", "text": name, "style": {"bold": True, "code": True}}]
    return [] if severity is Severity.NORMAL else [words(name, bold=True)]


def marked(text: MarkedText) -> list[Element]:
    """Literal text with its marks in bold."""
    out: list[Element] = []
    at = 0
    for mark in text.marks[:MARKS]:
        if mark.start > at:
            out.append(words(text.text[at : mark.start]))
        out.append(words(text.text[mark.start : mark.end], bold=True))
        at = mark.end
    if at < len(text.text):
        out.append(words(text.text[at:]))
    return out


def section(elements: Iterable[Element]) -> Element:
    return {"type": "rich_text_section", "elements": list(elements)}


def quote(elements: Iterable[Element]) -> Element:
    return {"type": "rich_text_quote", "elements": list(elements)}


def bullets(items: Iterable[Element]) -> Element:
    """A bulleted list of sections."""
    return {"type": "rich_text_list", "style": "bullet", "elements": list(items)}


def rich_text(elements: Iterable[Element], block_id: str = "") -> Block:
    block: Block = {"type": "rich_text", "elements": list(elements)}
    if block_id:
        block["block_id"] = block_id
    return block


def plain(text: str) -> Element:
    return {"type": "plain_text", "text": text, "emoji": False}


def context(elements: Iterable[Element]) -> Block:
    return {"type": "context", "elements": list(elements)[:10]}


def header(text: str) -> Block:
    return {"type": "header", "text": plain(text)}


def fallback_time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%-d %b %Y %H:%M UTC")


def date(when: datetime) -> Element:
    """A time that Slack shows in each reader's own time zone."""
    stamp = int(when.timestamp())
    shown = escape(fallback_time(when))
    text = f"<!date^{stamp}^{{date_short_pretty}} {{time}}|{shown}>"
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def short_time(when: datetime, latest: datetime) -> str:
    """A time within a list, in UTC (rich text has no date that every client shows): the time of
    day, or the day for what is older than a day before ``latest``."""
    when = when.astimezone(UTC)
    return when.strftime("%H:%M UTC" if latest - when < timedelta(days=1) else "%-d %b")


def mention(who: str) -> Element | None:
    """A mention by ID (U… or W… a person, S… a group) or "here"/"channel"/"everyone"."""
    name = who.lstrip("@!")
    if name in ("here", "channel", "everyone"):
        return {"type": "broadcast", "range": name}
    if name[:1] == "S" and name.isalnum():
        return {"type": "usergroup", "usergroup_id": name}
    if name[:1] in ("U", "W") and name.isalnum():
        return {"type": "user", "user_id": name}
    return None
