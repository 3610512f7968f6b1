"""Values as the pages write them: times, marked text, links that can't run anything."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from monitor.delivery.text import clean, clean_marked
from monitor.values import Mark, MarkedText


def glance(moment: datetime | None, now: datetime) -> str:
    """Return how long ago or how soon, in one unit: "3 h ago", "in 5 min", "never"."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    if size < 1:
        return "now"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if size >= length:
            amount = f"{int(size // length)} {unit}"
            break
    else:
        amount = f"{int(size)} s"
    return f"{amount} ago" if seconds >= 0 else f"in {amount}"


def moment(value: datetime | None, now: datetime) -> Markup:
    """Return a time as an element: at a glance, and in full when pointed at."""
    if value is None:
        return Markup("never")
    full = value.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        value.isoformat(), full, glance(value, now)
    )


def marked(text: str, marks: Iterable[Mark]) -> Markup:
    """Return ``text`` cleaned and escaped, its marked ranges in ``<mark>``."""
    cleaned = clean_marked(MarkedText(text, tuple(marks)))
    out, at = Markup(), 0
    for mark in cleaned.marks:
        out += escape(cleaned.text[at : mark.start])
        out += Markup("<mark>{}</mark>").format(cleaned.text[mark.start : mark.end])
        at = mark.end
    return out + escape(cleaned.text[at:])


def plain(text: str) -> str:
    """Return ``text`` without control characters and direction overrides."""
    return clean(text)


def link(url: str | None) -> str:
    """Return ``url`` where a click on it opens a web page, else ""."""
    try:
        return url if url and urlsplit(url).scheme.lower() in ("http", "https") else ""
    except ValueError:
        return ""


def seconds(value: object) -> str:
    """Return a duration in seconds in one unit: "0.3 s", "12 min", "3 h"; "—" where none is."""
    if not isinstance(value, int | float):
        return "—"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if value >= 2 * length:
            return f"{value / length:.0f} {unit}"
    return f"{value:.0f} s" if value >= 10 else f"{value:.2g} s"


def percent(share: float | None) -> str:
    """Return a share as percent, "—" where it isn't known."""
    return "—" if share is None else f"{share:.0%}"


def count(number: int) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,}"
