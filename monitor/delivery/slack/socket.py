"""Socket Mode: people's actions reach us over a connection that we open; no public address.

Thin shell over slack_sdk's SocketModeClient. Every envelope is acknowledged before anything else
(Slack waits three seconds); the answer follows as an ephemeral message or a modal. There is no
request signature to check in Socket Mode: Slack authenticates us by the app-level token.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from monitor.delivery.slack.actions import (
    Answerer,
    Reply,
    Wrong,
    read_command,
    read_press,
)
from monitor.delivery.slack.send import API_URL
from monitor.delivery.text import escape_cut
from monitor.errors import NewswatchError

log = logging.getLogger(__name__)

RECONNECT_FIRST = 2.0
RECONNECT_CAP = 300.0
ANSWER_MAX = 3000


class SocketMode:
    """Listens for buttons and `/watch`, and answers through ``answerer``."""

    def __init__(
        self,
        app_token: str,
        bot_token: str,
        answerer: Answerer,
        api_url: str = API_URL,
    ) -> None:
        self._app_token = app_token
        self._bot_token = bot_token
        self._answerer = answerer
        self._url = api_url if api_url.endswith("/") else api_url + "/"
        self._client: SocketModeClient | None = None
        self._session: aiohttp.ClientSession | None = None
        self._web: AsyncWebClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connecting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect, and keep trying; never raises for what Slack or the network does."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=30), trust_env=True
        )
        self._web = AsyncWebClient(
            token=self._bot_token, base_url=self._url, session=self._session, retry_handlers=[]
        )
        web = AsyncWebClient(base_url=self._url, session=self._session, retry_handlers=[])
        self._client = SocketModeClient(app_token=self._app_token, web_client=web)
        self._client.socket_mode_request_listeners.append(self._on_request)
        self._connecting = asyncio.create_task(self._connect(), name="socket mode")

    async def aclose(self) -> None:
        """Stop listening; what is being answered gets its answer cut off."""
        tasks = [task for task in (*self._tasks, self._connecting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()  # type: ignore[no-untyped-call]
        if self._session is not None:
            await self._session.close()

    async def _connect(self) -> None:
        assert self._client is not None
        wait = RECONNECT_FIRST
        while True:
            try:
                # Asked for here, since the client itself would ask again and again at once.
                self._client.wss_uri = await self._client.issue_new_wss_url()
                await self._client.connect()  # type: ignore[no-untyped-call]
            except SlackApiError as error:
                reason = str(error.response.get("error", error))
                log.error("buttons and /watch are off", extra={"reason": reason})
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                log.warning("buttons and /watch wait for Slack", extra={"reason": str(error)})
            else:
                log.info("listening for buttons and /watch")
                return
            await asyncio.sleep(wait)
            wait = min(RECONNECT_CAP, wait * 2)

    async def _on_request(
        self, client: AsyncBaseSocketModeClient, request: SocketModeRequest
    ) -> None:
        await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        task = asyncio.create_task(self._answer(request.type, request.payload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, kind: str, payload: Mapping[str, Any]) -> None:
        try:
            reply = await self._reply(kind, payload)
        except NewswatchError as error:
            reply = Reply(str(error))
        except Exception:
            log.exception("an action failed unexpectedly", extra={"kind": kind})
            reply = Reply("That didn't work: the watch's log says why.")
        if reply is None:
            return
        try:
            await self._send(reply, payload)
        except (SlackApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
            # The action is done; only its confirmation is lost.
            log.warning("an answer was not delivered", extra={"reason": type(error).__name__})

    async def _reply(self, kind: str, payload: Mapping[str, Any]) -> Reply | None:
        if kind == "slash_commands":
            return await self._answerer.asked(read_command(payload))
        if kind == "interactive" and payload.get("type") == "block_actions":
            press = read_press(payload)
            if isinstance(press, Wrong):
                log.warning("a button that isn't understood was pressed")
                return Reply(press.said)
            return await self._answerer.pressed(press)
        return None

    async def _send(self, reply: Reply, payload: Mapping[str, Any]) -> None:
        assert self._web is not None
        assert self._session is not None
        if reply.view is not None:
            await self._web.views_open(
                trigger_id=str(payload.get("trigger_id") or ""), view=dict(reply.view)
            )
            return
        address = str(payload.get("response_url") or "")
        if not reply.text or not address:
            return
        body = {
            "response_type": "ephemeral",
            "replace_original": False,
            "text": escape_cut(reply.text, ANSWER_MAX),
        }
        async with self._session.post(address, json=body, allow_redirects=False) as answer:
            await answer.read()
