"""The few Block Kit pieces our messages are made of.

Feed text goes only through ``words``, ``link`` and ``plain``, which Slack takes to the letter;
mrkdwn is used for dates alone, from numbers (docs.slack.dev/reference/block-kit).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from monitor.delivery.text import Link, escape
from monitor.values import MarkedText, Severity

Block = dict[str, Any]
Element = dict[str, Any]

# Only what asks for attention gets a sign; everyday alerts stay quiet.
SIGNS = {Severity.CRITICAL: "red_circle", Severity.HIGH: "large_orange_circle"}


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


def emoji(name: str) -> Element:
    return {"type": "emoji", "name": name}


def marked(text: MarkedText) -> list[Element]:
    """Literal text with its marks in bold."""
    out: list[Element] = []
    at = 0
    for mark in text.marks:
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


def rich_date(when: datetime) -> Element:
    """``date`` inside rich text."""
    return {
        "type": "date",
        "timestamp": int(when.timestamp()),
        "format": "{date_short_pretty} {time}",
        "fallback": fallback_time(when),
    }


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
