"""Alerts as JSON to any URL, signed with HMAC-SHA256. At least once: the receiver's ``id`` tells
doubles.

The signature is over ``"v1:" + timestamp + ":" + body`` with the channel's ``secret``, so that an
old request can't be replayed with a new time (the scheme of docs.slack.dev, verifying requests).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from monitor.clock import Clock, SystemClock
from monitor.delivery.http import Poster
from monitor.delivery.sender import MessageRefused, OneWay, Outgoing, Result, Sent
from monitor.delivery.slack.answers import from_status
from monitor.delivery.text import clean, vet_link
from monitor.delivery.wording import notification
from monitor.values import Alert

SCHEMA = 1


class JsonWebhookSender(OneWay):
    """Posts each alert as JSON to ``address``; signed when there is a ``secret``."""

    def __init__(
        self,
        address: str,
        secret: str | None = None,
        *,
        clock: Clock | None = None,
        timeout: float = 30,
    ) -> None:
        self._poster = Poster(address, timeout)
        self._secret = secret
        self._clock = clock or SystemClock()
        self.lane = self.service = f"json:{self._poster.name}"

    async def send(self, message: Outgoing) -> Result:
        body = json.dumps(payload(message.alert, message.id)).encode()
        headers = {"Content-Type": "application/json", "X-Newswatch-Delivery": message.id}
        if self._secret is not None:
            stamp = str(int(self._clock.now().timestamp()))
            headers["X-Newswatch-Timestamp"] = stamp
            headers["X-Newswatch-Signature"] = sign(self._secret, stamp, body)
        answer = await self._poster.post(body, headers)
        if not isinstance(answer, tuple):
            return answer
        status, answered, text = answer
        if 200 <= status < 300:
            return Sent()
        if status in (400, 413, 415, 422):
            return MessageRefused(f"HTTP {status}: {clean(text[:200])}")
        return from_status(status, answered, text)

    async def aclose(self) -> None:
        await self._poster.aclose()


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature header's value for ``body`` sent at ``timestamp`` (Unix seconds)."""
    base = f"v1:{timestamp}:".encode() + body
    return "v1=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


def payload(alert: Alert, delivery_id: str) -> dict[str, Any]:
    """Return ``alert`` as the JSON that webhooks get: all keys always present, text cleaned,
    times RFC 3339, links http(s) only."""
    link = vet_link(alert.url)
    return {
        "v": SCHEMA,
        "id": delivery_id,
        "kind": alert.kind,
        "channel": alert.channel,
        "story": clean(alert.story_id),
        "revision": alert.revision,
        "severity": alert.severity.label,
        "rules": [clean(rule) for rule in alert.rules],
        "title": clean(alert.title),
        "url": link.url if link else None,
        "source": clean(alert.source),
        "sources": [clean(source) for source in alert.sources],
        "published": _time(alert.published),
        "first_seen": _time(alert.first_seen),
        "terms": [clean(term) for term in alert.terms],
        "entities": [clean(entity) for entity in alert.entities],
        "lead": clean(alert.summary.lead) if alert.summary else "",
        "quote": clean(alert.summary.quote.text) if alert.summary else "",
        "reason": clean(alert.reason),
        "mention": list(alert.mention),
        "text": notification(alert),
        "totals": {clean(name): clean(value) for name, value in alert.totals},
        "items": [_item(asdict(item)) for item in alert.items],
    }


def _item(item: dict[str, Any]) -> dict[str, Any]:
    link = vet_link(item["url"])
    return {
        "title": clean(item["title"]),
        "url": link.url if link else None,
        "source": clean(item["source"]),
        "rule": clean(item["rule"]),
        "published": _time(item["published"]),
        "severity": item["severity"].label,
        "sources": item["sources"],
    }


def _time(when: datetime | None) -> str | None:
    return when.isoformat().replace("+00:00", "Z") if when else None
