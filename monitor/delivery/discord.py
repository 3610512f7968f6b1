"""Discord through a channel webhook, with a sender of our own.

``allowed_mentions: {parse: []}``: without it ``@everyone`` in a feed's title wakes a server
(measured with Apprise). Markdown in feed text is escaped. ``wait=true`` answers with the message's
id, but a webhook can't read history, so this is at-least-once.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from monitor.delivery.http import Poster
from monitor.delivery.sender import MessageRefused, OneWay, Outgoing, RateLimited, Result, Sent
from monitor.delivery.slack.answers import from_status
from monitor.delivery.text import cut, shown, vet_link
from monitor.delivery.wording import (
    STORY_KINDS,
    headline,
    passage,
    reason_of,
    source_names,
    title_of,
    urgent_first,
)
from monitor.values import Alert, MarkedText, Receipt

# discord.com/developers/docs/resources/message#embed-object-embed-limits
CONTENT_MAX = 2000
TITLE_MAX = 256
TEXT_MAX = 4096
FOOT_MAX = 2048
ITEMS = 15
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>:@])")


def escape_markdown(text: str) -> str:
    """Escape what Discord's Markdown gives meaning, mentions included."""
    return _SPECIAL.sub(r"\\\1", text)


class DiscordSender(OneWay):
    """Posts to the Discord webhook at ``address``."""

    # discord.com/developers/docs/topics/rate-limits: 5 requests in 2 s for a webhook.
    interval = 0.5

    def __init__(self, address: str, *, timeout: float = 30) -> None:
        parts = urlsplit(address)
        query = urlencode([*parse_qsl(parts.query), ("wait", "true")])
        self._poster = Poster(urlunsplit(parts._replace(query=query)), timeout)
        self.lane = self.service = f"discord:{self._poster.name}"

    async def send(self, message: Outgoing) -> Result:
        body = json.dumps(render(message.alert, message.form == "plain")).encode()
        answer = await self._poster.post(body, {"Content-Type": "application/json"})
        if not isinstance(answer, tuple):
            return answer
        status, headers, text = answer
        if status == 429:
            return _limited(headers, text)
        if status in (200, 204):
            return Sent(_receipt(text))
        if status == 400:
            return MessageRefused(f"HTTP 400: {text[:200]}")
        return from_status(status, headers, text)

    async def aclose(self) -> None:
        await self._poster.aclose()


def _limited(headers: dict[str, str], text: str) -> Result:
    """Discord tells the wait in the body, with fractions of a second."""
    try:
        return RateLimited(max(0.1, float(json.loads(text)["retry_after"])))
    except (ValueError, KeyError, TypeError):
        return from_status(429, headers, text)


def _receipt(text: str) -> Receipt | None:
    try:
        answer = json.loads(text)
        return Receipt(str(answer["id"]), str(answer["channel_id"]))
    except (ValueError, KeyError, TypeError):
        return None


def render(alert: Alert, plain: bool = False) -> dict[str, Any]:
    """Return the body of a Discord webhook message."""
    content = escape_markdown(cut(headline(alert) or title_of(alert), 900))
    body: dict[str, Any] = {
        "content": content or "News",
        "allowed_mentions": {"parse": []},
    }
    link = vet_link(alert.url)
    if plain:
        where = f" <{link.url}>" if link and len(link.url) < CONTENT_MAX // 2 else ""
        told = escape_markdown(shown(alert.title, 400))
        body["content"] = f"{content}: {told}"[: CONTENT_MAX - len(where)] + where
        return body
    # A title is Markdown too.
    embed: dict[str, Any] = {"title": cut(escape_markdown(title_of(alert)), TITLE_MAX)}
    if link is not None:
        embed["url"] = link.url
    embed["description"] = cut(_description(alert), TEXT_MAX)
    foot = " · ".join(filter(None, (source_names(alert), reason_of(alert))))
    if foot:
        embed["footer"] = {"text": cut(foot, FOOT_MAX)}
    if (when := alert.published or alert.first_seen) is not None:
        embed["timestamp"] = when.isoformat()
    body["embeds"] = [embed]
    return body


def _description(alert: Alert) -> str:
    if alert.kind in STORY_KINDS:
        return _marked(passage(alert))
    lines = [escape_markdown(reason_of(alert))] if alert.reason else []
    lines += [
        f"{escape_markdown(shown(value, 80))} {escape_markdown(shown(name, 80))}"
        for name, value in alert.totals[:10]
    ]
    for item in urgent_first(alert.items)[:ITEMS]:
        link, title = vet_link(item.url), escape_markdown(shown(item.title, 120))
        lines.append(f"• [{title}]({link.url})" if link else f"• {title}")
    if len(alert.items) > ITEMS:
        lines.append(f"… {len(alert.items) - ITEMS} more")
    return "\n".join(lines)


def _marked(text: MarkedText) -> str:
    out, at = [], 0
    for mark in text.marks:
        out.append(escape_markdown(text.text[at : mark.start]))
        out.append(f"**{escape_markdown(text.text[mark.start : mark.end])}**")
        at = mark.end
    return "".join([*out, escape_markdown(text.text[at:])])
