"""Alerts on a terminal with Rich; elsewhere one flushed line each (a machine interface).

``run`` and ``once`` write alerts alone to stdout; everything else goes to stderr.
"""

from __future__ import annotations

import sys
from datetime import UTC
from typing import TextIO

from rich.console import Console
from rich.text import Text

from monitor.delivery.sender import OneWay, Outgoing, Result, Sent, Unclear
from monitor.delivery.text import shown, vet_link
from monitor.delivery.wording import (
    NAME_MAX,
    STORY_KINDS,
    TITLE_MAX,
    headline,
    passage,
    reason_of,
    source_names,
    title_of,
    urgent_first,
)
from monitor.values import Alert, AlertItem, MarkedText, Severity

STYLES = {
    Severity.CRITICAL: "bold white on red",
    Severity.HIGH: "bold yellow",
    Severity.NORMAL: "bold cyan",
    Severity.LOW: "dim",
    Severity.INFO: "dim",
}


class ConsoleSender(OneWay):
    """Prints to ``out``, or, when None, alerts to stdout and words about the watch to stderr."""

    lane = "console"
    service = "console"

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    async def send(self, message: Outgoing) -> Result:
        alert = message.alert
        about_the_watch = alert.kind in ("ops", "baseline")
        out = self._out or (sys.stderr if about_the_watch else sys.stdout)
        try:
            if out.isatty():
                Console(file=out, highlight=False).print(for_terminal(alert))
            else:
                out.writelines(line + "\n" for line in lines(alert))
            out.flush()
        except OSError as error:  # a full disk behind a redirection
            return Unclear(f"stdout: {error}")
        return Sent()


def lines(alert: Alert) -> tuple[str, ...]:
    """Return ``alert`` as lines with rule and title: one, or one for each story of a digest."""
    if alert.kind in STORY_KINDS:
        source = shown(alert.source, NAME_MAX)
        return (_joined([headline(alert), title_of(alert), source, reason_of(alert)], alert.url),)
    if alert.kind in ("digest", "catch_up") and alert.items:
        return tuple(
            _joined([*_names(item), shown(item.source, NAME_MAX)], item.url)
            for item in urgent_first(alert.items)
        )
    parts = [title_of(alert), reason_of(alert), *_facts(alert)]
    parts += [shown(item.title, TITLE_MAX) for item in alert.items[:5]]
    return (_joined(parts, alert.url),)


def _names(item: AlertItem) -> tuple[str, str]:
    return shown(item.rule, NAME_MAX), shown(item.title, TITLE_MAX) or "(no title)"


def _facts(alert: Alert) -> list[str]:
    return [f"{shown(value, NAME_MAX)} {shown(name, NAME_MAX)}" for name, value in alert.totals]


def _joined(parts: list[str], url: str | None) -> str:
    to = vet_link(url)
    return " | ".join(filter(None, [*parts, to.url if to else ""]))


def for_terminal(alert: Alert) -> Text:
    """Return the same message that Slack gets, for a terminal."""
    text = Text()
    style = STYLES[Severity(alert.severity)]
    if alert.kind not in STORY_KINDS:
        text.append(title_of(alert), style="bold")
        if alert.reason:
            text.append("\n  " + reason_of(alert))
        for fact in _facts(alert):
            text.append(f"\n  {fact}", style="dim")
        for item in urgent_first(alert.items):
            text.append("\n  • ")
            _line(text, item)
        return text.append("\n")
    text.append(headline(alert) or "News", style=style)
    text.append("\n")
    to = vet_link(alert.url)
    text.append(title_of(alert), style=f"bold link {to.url}" if to else "bold")
    if to is not None and to.shown_host:
        text.append(f" ({to.shown_host})", style="dim")
    quoted = passage(alert)
    if quoted.text:
        text.append("\n│ ", style="dim")
        _marked(text, quoted)
    foot = [source_names(alert)]
    when = alert.published or alert.first_seen
    if when is not None:
        foot.append(when.astimezone(UTC).strftime("%-d %b %Y %H:%M UTC"))
    foot.append(reason_of(alert))
    text.append("\n" + " · ".join(filter(None, foot)), style="dim")
    if to is not None:
        text.append(f"\n{to.url}", style="dim")
    return text.append("\n")


def _marked(text: Text, quoted: MarkedText) -> None:
    start = len(text)
    text.append(quoted.text)
    for mark in quoted.marks:
        text.stylize("bold", start + mark.start, start + mark.end)


def _line(text: Text, item: AlertItem) -> None:
    to = vet_link(item.url)
    rule, title = _names(item)
    text.append(title, style=f"link {to.url}" if to else "")
    for part in filter(None, (shown(item.source, NAME_MAX), rule)):
        text.append(f" · {part}", style="dim")
