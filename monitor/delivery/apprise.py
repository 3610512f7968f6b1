"""Other services (Teams, e-mail, Telegram, ntfy …) through Apprise, the extra ``[apprise]``.

Conditions under which it is safe, each measured or read in its code: the text format is forced
(else it un-escapes markup on purpose), its own retry is off (the outbox retries), and it runs in a
thread with a timeout (it is synchronous). It tells success only, so this is at-least-once, and a
timeout is unclear. Never for Slack or Discord, which have senders of their own.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
from typing import Any, Protocol, cast

from monitor.delivery.sender import (
    ChannelRefused,
    OneWay,
    Outgoing,
    Result,
    Sent,
    Unclear,
)
from monitor.delivery.text import cut, shown, vet_link
from monitor.delivery.wording import (
    STORY_KINDS,
    headline,
    notification,
    passage,
    reason_of,
    source_names,
    title_of,
    urgent_first,
)
from monitor.values import Alert

BODY_MAX = 3500  # Telegram's 4,096 less what Apprise adds
ITEMS = 30


class _Apprise(Protocol):
    def add(self, servers: str) -> bool: ...
    def notify(self, body: str, title: str, body_format: str) -> bool | None: ...


def load_apprise() -> Any | None:
    """Return the apprise module, or None when the extra is not installed."""
    try:
        return importlib.import_module("apprise")
    except ImportError:
        return None


class AppriseSender(OneWay):
    """Sends to one Apprise URL."""

    interval = 1.0

    def __init__(self, address: str, *, timeout: float = 60) -> None:
        self._address = without_retry(address)
        self._timeout = timeout
        self._made: _Apprise | None = None
        # The address is a secret; its scheme is not.
        digest = hashlib.sha256(address.encode()).hexdigest()[:12]
        self.lane = self.service = f"apprise:{address.split(':', 1)[0]}:{digest}"

    async def send(self, message: Outgoing) -> Result:
        if self._made is None:
            # Importing its hundred services takes a second or two: not in the event loop.
            made = await asyncio.to_thread(self._make)
            if isinstance(made, ChannelRefused):
                return made
            self._made = made
        title, body = words(message.alert)
        work = asyncio.to_thread(self._made.notify, body=body, title=title, body_format="text")
        try:
            done = await asyncio.wait_for(work, self._timeout)
        except TimeoutError:
            return Unclear("no answer in time")
        # False may be an outage of hours: tried again without end, and no other message waits.
        return Sent() if done else Unclear("the service refused it or wasn't reached")

    def _make(self) -> _Apprise | ChannelRefused:
        module = load_apprise()
        if module is None:
            hint = "install it: pip install 'newswatch[apprise]'"
            return ChannelRefused("apprise is not installed", hint)
        made = cast(_Apprise, module.Apprise())
        if not made.add(self._address):
            return ChannelRefused("not an Apprise URL", "see github.com/caronc/apprise/wiki")
        return made


def without_retry(address: str) -> str:
    """Return ``address`` with Apprise's own retry switched off."""
    return address + ("&" if "?" in address else "?") + "retry=0"


def words(alert: Alert) -> tuple[str, str]:
    """Return (title, body) as plain text."""
    if alert.kind in STORY_KINDS:
        lines = [title_of(alert), passage(alert).text]
        link = vet_link(alert.url)
        lines.append(link.url if link else "")
        lines.append(" · ".join(filter(None, (source_names(alert), reason_of(alert)))))
        return cut(headline(alert) or "News", 200), cut(_paragraphs(lines), BODY_MAX)
    lines = [reason_of(alert)]
    lines += [f"{shown(value, 80)} {shown(name, 80)}" for name, value in alert.totals[:12]]
    for item in urgent_first(alert.items)[:ITEMS]:
        link = vet_link(item.url)
        parts = (shown(item.title, 120), shown(item.source, 60), link.url if link else "")
        lines.append("- " + " · ".join(filter(None, parts)))
    if len(alert.items) > ITEMS:
        lines.append(f"… {len(alert.items) - ITEMS} more")
    return cut(title_of(alert), 200), cut(_paragraphs(lines) or notification(alert), BODY_MAX)


def _paragraphs(lines: list[str]) -> str:
    return "\n".join(filter(None, lines))
