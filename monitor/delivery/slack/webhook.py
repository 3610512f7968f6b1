"""Slack through an incoming webhook: the five-minute start.

One address is one channel; it answers "ok" without a ts, so there are no threads, no edits and no
history: at-least-once, and a lost answer means a double.
"""

from __future__ import annotations

import hashlib

import aiohttp

from monitor.delivery.sender import OneWay, Outgoing, Result, Sent
from monitor.delivery.slack.answers import from_exception, from_status
from monitor.delivery.slack.render import render


class SlackWebhookSender(OneWay):
    """Posts to the incoming webhook at ``address``."""

    service = "slack-webhook"

    def __init__(self, address: str, *, interval: float = 1.0, timeout: float = 30) -> None:
        self._address = address
        self.interval = interval
        # The address is a secret: the lane is named by its digest.
        self.lane = "webhook:" + hashlib.sha256(address.encode()).hexdigest()[:12]
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=10)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, message: Outgoing) -> Result:
        body = render(message.alert, delivery_id=message.id, form=message.form)
        body.pop("metadata")  # webhooks refuse it
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=True)
        try:
            async with self._session.post(
                self._address, json=body, allow_redirects=False
            ) as answer:
                text = (await answer.content.read(4096)).decode("utf-8", "replace")
                if answer.status == 200 and text.strip() == "ok":
                    return Sent()
                return from_status(answer.status, dict(answer.headers), text)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return from_exception(error)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
