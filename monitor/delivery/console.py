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
from monitor.delivery.slack.lists import TITLES, urgent_first
from monitor.delivery.slack.render import STORY_KINDS, headline, passage, title_of
from monitor.delivery.text import clean, vet_link
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
        parts = [headline(alert), title_of(alert), clean(alert.source), clean(alert.reason)]
        return (_joined(parts, alert.url),)
    if alert.kind in ("digest", "catch_up") and alert.items:
        return tuple(
            _joined([clean(item.rule), clean(item.title), clean(item.source)], item.url)
            for item in urgent_first(alert.items)
        )
    parts = [clean(alert.title) or TITLES[alert.kind], clean(alert.reason)]
    parts += [f"{clean(value)} {clean(name)}" for name, value in alert.totals]
    parts += [clean(item.title) for item in alert.items[:5]]
    return (_joined(parts, alert.url),)


def _joined(parts: list[str], url: str | None) -> str:
    to = vet_link(url)
    return " | ".join(filter(None, [*parts, to.url if to else ""]))


def for_terminal(alert: Alert) -> Text:
    """Return the same message that Slack gets, for a terminal."""
    text = Text()
    style = STYLES[Severity(alert.severity)]
    if alert.kind not in STORY_KINDS:
        text.append(clean(alert.title) or TITLES[alert.kind], style="bold")
        if alert.reason:
            text.append("\n  " + clean(alert.reason))
        for name, value in alert.totals:
            text.append(f"\n  {clean(name)}: {clean(value)}", style="dim")
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
    shown = passage(alert)
    if shown.text:
        text.append("\n│ ", style="dim")
        _marked(text, shown)
    foot = [clean(", ".join(alert.sources[:4]) or alert.source)]
    when = alert.published or alert.first_seen
    if when is not None:
        foot.append(when.astimezone(UTC).strftime("%-d %b %Y %H:%M UTC"))
    if alert.reason:
        foot.append(clean(alert.reason))
    text.append("\n" + " · ".join(filter(None, foot)), style="dim")
    if to is not None:
        text.append(f"\n{to.url}", style="dim")
    return text.append("\n")


def _marked(text: Text, shown: MarkedText) -> None:
    start = len(text)
    text.append(shown.text)
    for mark in shown.marks:
        text.stylize("bold", start + mark.start, start + mark.end)


def _line(text: Text, item: AlertItem) -> None:
    to = vet_link(item.url)
    text.append(clean(item.title) or "(no title)", style=f"link {to.url}" if to else "")
    rest = [clean(item.source), clean(item.rule)]
    text.append(" · " + " · ".join(filter(None, rest)), style="dim")
