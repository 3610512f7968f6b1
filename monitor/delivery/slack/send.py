"""Slack with a bot token: post, edit, answer in threads, and read back what was posted.

Thin shell over ``slack_sdk``'s AsyncWebClient; rendering and the meaning of answers are elsewhere.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from monitor.delivery.sender import (
    CantLook,
    ChannelRefused,
    Look,
    NotReached,
    Outgoing,
    RateLimited,
    Result,
    Seen,
    Sent,
    TryLater,
    Unclear,
)
from monitor.delivery.slack.answers import date_of, from_error, from_exception, from_status
from monitor.delivery.slack.limits import over_limits
from monitor.delivery.slack.render import delivery_id_of, render
from monitor.values import Receipt

log = logging.getLogger(__name__)

API_URL = "https://slack.com/api/"
TIMEOUT = 30  # seconds for one call, as slack_sdk's own default
# Errors under which posting works and history doesn't, until a person acts.
NO_HISTORY = frozenset({"missing_scope", "not_in_channel", "channel_not_found", "access_denied"})
PAGE = 200  # history messages a page; apps under the 2025 limits get 15 and a cursor
LIST_PAGE = 999  # channels a page: Slack's most, since a workspace may have thousands
CLOCK_TOLERANCE = timedelta(seconds=30)  # between our clock and Slack's; looks allow for it
_NAMESPACE = uuid.UUID("6f1a6a3e-5a0a-5d0e-9d0b-6d3c1f7f2b11")


class SlackApi:
    """One workspace: a client with one shared connection pool, and what was learned of it.

    Sharing the session is worth 1.7 times the throughput (measured: 1,374 against 788 messages/s
    on loopback). ``retry_handlers=[]``: the default handler re-sends a POST whose answer was lost
    (measured: 58 messages stored for 40 posts).
    """

    def __init__(self, token: str, api_url: str = API_URL, timeout: float = TIMEOUT) -> None:
        self._token = token
        self._url = api_url if api_url.endswith("/") else api_url + "/"
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._client: AsyncWebClient | None = None
        self.channel_ids: dict[str, str] = {}
        self.workspace_url: str | None = None
        self.date: datetime | None = None  # Slack's clock, as of its last answer
        self.ahead = timedelta()  # by which our clock was ahead of it when we looked last

    @property
    def client(self) -> AsyncWebClient:
        """The client; made at first use, inside the running loop."""
        if self._client is None:
            # No trust_env: aiohttp would ask a thread for proxies at every call, and slack_sdk has
            # read HTTPS_PROXY by itself.
            timeout = aiohttp.ClientTimeout(total=self._timeout, sock_connect=10)
            self._session = aiohttp.ClientSession(timeout=timeout)
            self._client = AsyncWebClient(
                token=self._token,
                base_url=self._url,
                timeout=int(self._timeout),
                session=self._session,
                retry_handlers=[],
            )
        return self._client

    async def call(self, method: Callable[[], Awaitable[Any]]) -> Mapping[str, Any] | Result:
        """Return a method's answer, or what its failure means."""
        try:
            response = await method()
        except SlackApiError as error:
            return _refused(error.response)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return from_exception(error)
        self.date = date_of(response.headers)
        data = response.data
        if not isinstance(data, dict) or "ok" not in data:
            return from_status(response.status_code, dict(response.headers), data)
        return data

    async def channel_id(self, name: str) -> str | Result:
        """Return the ID of ``#name`` (or of an ID itself), asking Slack once."""
        bare = name.lstrip("#")
        if name[:1] != "#" and bare[:1] in "CDG" and bare.isupper():
            return bare
        if bare in self.channel_ids:
            return self.channel_ids[bare]
        cursor = ""
        while True:
            answer = await self.call(
                lambda cursor=cursor: self.client.conversations_list(  # type: ignore[misc]
                    limit=LIST_PAGE,
                    cursor=cursor,
                    exclude_archived=True,
                    types="public_channel,private_channel",
                )
            )
            if not isinstance(answer, Mapping):
                return answer
            for channel in answer.get("channels") or ():
                self.channel_ids.setdefault(channel["name"], channel["id"])
            if bare in self.channel_ids:
                return self.channel_ids[bare]
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return from_error("channel_not_found")

    async def permalink(self, receipt: Receipt) -> str | None:
        """Return the web address of a message; auth.test tells the workspace's own."""
        if self.workspace_url is None:
            answer = await self.call(lambda: self.client.auth_test())
            if not isinstance(answer, Mapping):
                return None
            self.workspace_url = str(answer.get("url") or "")
        if not self.workspace_url:
            return None
        base = self.workspace_url.rstrip("/")
        return f"{base}/archives/{receipt.channel_id}/p{receipt.ts.replace('.', '')}"

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = self._client = None


def _refused(response: Any) -> Result:
    """Return what an error answer means. ``response`` is slack_sdk's own, or aiohttp's where the
    body was not JSON."""
    headers = dict(response.headers)
    data = getattr(response, "data", None)
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0))
    if status != 429 and isinstance(data, dict) and isinstance(data.get("error"), str):
        if status >= 500:
            return Unclear(f"HTTP {status}: {data['error']}")
        return from_error(data["error"], str(data.get("needed") or ""))
    return from_status(status, headers, data)


class SlackSender:
    """One Slack channel, by name (``#news``) or ID, through a shared ``SlackApi``."""

    threads = True
    looks = True

    def __init__(
        self,
        api: SlackApi,
        channel: str,
        *,
        interval: float = 1.0,
        buttons: bool = False,
        client_msg_id: bool = True,
    ) -> None:
        self._api = api
        self.channel = channel
        self.interval = interval
        self.lane = f"slack:{channel.lstrip('#')}"
        self.service = "slack"
        self._buttons = buttons
        self._client_msg_id = client_msg_id

    async def send(self, message: Outgoing) -> Result:
        earlier = None
        if message.earlier is not None:
            earlier = await self._api.permalink(message.earlier)
        body = render(
            message.alert,
            delivery_id=message.id,
            form=message.form,
            buttons=self._buttons,
            earlier=earlier,
        )
        if problems := over_limits(body):
            log.warning(
                "message over a limit",
                extra={"delivery": message.id, "problems": problems[:5], "form": message.form},
            )
        client = self._api.client
        if message.edit and message.root is not None:
            root = message.root
            body.pop("mrkdwn")
            body.pop("unfurl_links")
            body.pop("unfurl_media")
            answer = await self._api.call(
                lambda: client.chat_update(channel=root.channel_id, ts=root.ts, **body)
            )
        else:
            body["channel"] = message.root.channel_id if message.root else self.channel
            if message.root is not None:
                body["thread_ts"] = message.root.ts
                if message.broadcast:
                    body["reply_broadcast"] = True
            if self._client_msg_id:
                # Not documented as an argument, so nothing relies on it.
                body["client_msg_id"] = str(uuid.uuid5(_NAMESPACE, message.id))
            answer = await self._api.call(lambda: client.chat_postMessage(**body))
        if not isinstance(answer, Mapping):
            return answer
        ts, channel_id = answer.get("ts"), answer.get("channel")
        if not isinstance(ts, str) or not isinstance(channel_id, str):
            return Unclear("an answer without ts")
        self._api.channel_ids.setdefault(self.channel.lstrip("#"), channel_id)
        return Sent(Receipt(ts, channel_id))

    async def look(self, question: Look) -> Seen | RateLimited | CantLook:
        before = self._api.ahead
        seen = await self._look(question)
        if question.now is not None and self._api.date is not None:
            # Slack's timestamps are Slack's: by a clock that is ahead of it what we have just sent
            # would lie before the time from which we read.
            self._api.ahead = max(question.now - self._api.date, timedelta())
            if self._api.ahead - before > CLOCK_TOLERANCE and isinstance(seen, Seen):
                return await self._look(question)
        return seen

    async def _look(self, question: Look) -> Seen | RateLimited | CantLook:
        oldest = f"{(question.since - self._api.ahead).timestamp():.6f}"
        client = self._api.client
        if question.root is not None:
            root = question.root
            answer = await self._api.call(
                lambda: client.conversations_replies(
                    channel=root.channel_id,
                    ts=root.ts,
                    oldest=oldest,
                    limit=PAGE,
                    include_all_metadata=True,
                    cursor=question.cursor or None,
                )
            )
            channel = root.channel_id
        else:
            found = await self._api.channel_id(self.channel)
            if not isinstance(found, str):
                listing_refused = isinstance(found, ChannelRefused | TryLater)
                if question.channel_id is None or not listing_refused:
                    return _cant(found)
                found = question.channel_id
            channel = found
            answer = await self._api.call(
                lambda: client.conversations_history(
                    channel=channel,
                    oldest=oldest,
                    limit=PAGE,
                    include_all_metadata=True,
                    cursor=question.cursor or None,
                )
            )
        if not isinstance(answer, Mapping):
            return _cant(answer)
        seen: dict[str, tuple[Receipt, ...]] = {}
        for message in answer.get("messages") or ():
            name = delivery_id_of(message)
            if name in question.ids:
                assert name is not None
                seen[name] = (Receipt(message["ts"], channel), *seen.get(name, ()))
        cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
        return Seen(seen, cursor if answer.get("has_more", True) else None)

    async def remove(self, receipt: Receipt) -> Result:
        client = self._api.client
        answer = await self._api.call(
            lambda: client.chat_delete(channel=receipt.channel_id, ts=receipt.ts)
        )
        return Sent(receipt) if isinstance(answer, Mapping) else answer

    async def probe(self) -> Result:
        answer = await self._api.call(lambda: self._api.client.auth_test())
        if not isinstance(answer, Mapping):
            return answer
        self._api.workspace_url = str(answer.get("url") or "")
        return Sent()

    @property
    def workspace(self) -> str:
        """The workspace's address, "" as long as Slack has not told it."""
        return self._api.workspace_url or ""

    async def find(self) -> Result:
        """Ask Slack whether the channel is there, without posting."""
        found = await self._api.channel_id(self.channel)
        return Sent() if isinstance(found, str) else found

    async def aclose(self) -> None:
        await self._api.aclose()


def _cant(result: Result) -> RateLimited | CantLook:
    match result:
        case RateLimited():
            return result
        case ChannelRefused(reason, hint):
            # A dead token is cured before anything can be sent again: wait for that.
            return CantLook(f"{reason}: {hint}", lasting=reason in NO_HISTORY)
        case NotReached(reason) | Unclear(reason):
            return CantLook(reason)
        case _:
            # An error we don't know may never end, and the message is owed at least once.
            return CantLook(str(getattr(result, "reason", result)), lasting=True)
