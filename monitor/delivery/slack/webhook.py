"""Slack through an incoming webhook: the five-minute start.

One address is one channel; it answers "ok" without a ts, so there are no threads, no edits and no
history: at-least-once, and a lost answer means a double.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from monitor.delivery.http import Poster
from monitor.delivery.sender import OneWay, Outgoing, Result, Sent
from monitor.delivery.slack.answers import from_status
from monitor.delivery.slack.render import render

_PATH = re.compile(r"/services/T[A-Z0-9]+/B[A-Z0-9]+/\w+")


def is_slack_webhook(address: str) -> bool:
    """Tell Slack's incoming webhooks from other addresses by host or path."""
    parts = urlsplit(address)
    return parts.hostname == "hooks.slack.com" or bool(_PATH.fullmatch(parts.path))


class SlackWebhookSender(OneWay):
    """Posts to the incoming webhook at ``address``."""

    def __init__(self, address: str, *, interval: float = 1.0, timeout: float = 30) -> None:
        self._poster = Poster(address, timeout)
        self.interval = interval
        self.lane = self.service = f"webhook:{self._poster.name}"

    async def send(self, message: Outgoing) -> Result:
        body = render(message.alert, delivery_id=message.id, form=message.form)
        body.pop("metadata")  # webhooks refuse it
        answer = await self._poster.post(
            json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        if not isinstance(answer, tuple):
            return answer
        status, headers, text = answer
        if status == 200 and text.strip() == "ok":
            return Sent()
        return from_status(status, headers, text)

    async def aclose(self) -> None:
        await self._poster.aclose()
