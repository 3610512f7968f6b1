"""The HTTP side of the fake: methods, scopes, rates, faults."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.utils import formatdate
from typing import Any

from aiohttp import WSMsgType, web

from tests.fakeslack.faults import Fault, Faults
from tests.fakeslack.limits import problems
from tests.fakeslack.workspace import APP_TOKEN, BOT, TOKEN, Call, Channel, Message, Workspace

Body = dict[str, Any]
Method = Callable[[Body], Awaitable[web.StreamResponse]]

WEBHOOK_PATH = "/services/T0FAKE/B0FAKE/secret"
NEEDS = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "conversations.list": "channels:read",
    "conversations.info": "channels:read",
}


class Reset(Exception):
    """Cut the connection instead of answering."""


class FakeSlack:
    """The server. ``async with FakeSlack() as slack:`` then give ``slack.url`` as api_url."""

    def __init__(self, faults: Faults | None = None, **settings: Any) -> None:
        self.workspace = Workspace(**settings)
        self.faults = faults or Faults()
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.connected = asyncio.Event()
        self._sockets: list[web.WebSocketResponse] = []
        self._acks: dict[str, asyncio.Event] = {}
        self._triggers: dict[str, float] = {}

    @property
    def url(self) -> str:
        """The API's base address, with its closing slash."""
        return f"http://127.0.0.1:{self.port}/api/"

    @property
    def webhook(self) -> str:
        """The address of an incoming webhook into #news-watch."""
        return f"http://127.0.0.1:{self.port}{WEBHOOK_PATH}"

    @property
    def token(self) -> str:
        return TOKEN

    @property
    def app_token(self) -> str:
        return APP_TOKEN

    async def __aenter__(self) -> FakeSlack:
        app = web.Application(client_max_size=4_000_000)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_post(WEBHOOK_PATH, self._webhook)
        app.router.add_get("/socket", self._socket)
        app.router.add_post("/respond/{envelope}", self._respond)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._runner is not None
        for socket in list(self._sockets):
            await socket.close()
        await self._runner.shutdown()
        await self._runner.cleanup()

    # Requests ----------------------------------------------------------------------------------

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        body = await self._body(request)
        call = Call(self.workspace.clock.monotonic(), method, str(body.get("channel") or ""))
        self.workspace.calls.append(call)
        if self.workspace.latency:
            await asyncio.sleep(self.workspace.latency)
        try:
            answer = await self._answer(request, method, body, call)
        except Reset:
            call.error = "reset"
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        answer.headers["Date"] = formatdate(self.workspace.clock.now().timestamp(), usegmt=True)
        call.status = answer.status
        if isinstance(answer, web.Response) and answer.content_type == "application/json":
            with suppress(ValueError):  # an answer that is cut off on purpose
                call.error = json.loads(answer.text or "{}").get("error", "")
        return answer

    async def _body(self, request: web.Request) -> Body:
        body: Body = dict(request.query)
        if request.content_type == "application/json":
            body.update(await request.json())
        else:
            body.update(await request.post())
        for name in ("blocks", "metadata", "attachments", "view"):
            if isinstance(body.get(name), str):
                body[name] = json.loads(body[name])
        return body

    async def _answer(
        self, request: web.Request, method: str, body: Body, call: Call
    ) -> web.StreamResponse:
        space = self.workspace
        if space.down == "reset":
            raise Reset
        if space.down:
            return web.Response(status=503, text="upstream connect error")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if method == "apps.connections.open":
            return await self.connections_open(token)
        if space.token_error:
            return refuse(space.token_error)
        if token != TOKEN:
            return refuse("invalid_auth" if token else "not_authed")
        needed = NEEDS.get(method)
        if needed and needed not in space.scopes:
            provided = ",".join(sorted(space.scopes))
            return refuse("missing_scope", needed=needed, provided=provided)
        handler: Method | None = getattr(self, "do_" + method.replace(".", "_"), None)
        if handler is None:
            return refuse("unknown_method")
        return await handler(body)

    def _rested(self, key: str) -> None:
        """Note a request that came although a Retry-After told it to wait."""
        until = self.workspace.rest_until.get(key, 0.0)
        # 5 ms: the answer's own way to the client.
        if self.workspace.clock.monotonic() < until - 0.005:
            self.workspace.early.append(self.workspace.calls[-1])

    def _limited(self, key: str, wait: float) -> web.Response:
        seconds = max(1, -(-int(wait * 1000) // 1000))
        self.workspace.rest_until[key] = self.workspace.clock.monotonic() + seconds
        return web.json_response(
            {"ok": False, "error": "ratelimited"},
            status=429,
            headers={"Retry-After": str(seconds)},
        )

    # Methods -----------------------------------------------------------------------------------

    async def do_auth_test(self, body: Body) -> web.StreamResponse:
        space = self.workspace
        return web.json_response(
            {
                "ok": True,
                "url": "https://fake.slack.com/",
                "team": "Fake",
                "user": "newswatch",
                "team_id": "T0FAKE",
                "user_id": BOT,
                "bot_id": "B0FAKE",
            },
            headers={"x-oauth-scopes": ",".join(sorted(space.scopes))},
        )

    def _target(self, body: Body, *, posting: bool) -> Channel | web.Response:
        channel = self.workspace.find(str(body.get("channel") or ""))
        if channel is None or (channel.private and not channel.member):
            return refuse("channel_not_found")
        if posting and channel.name in self.workspace.errors:
            return refuse(self.workspace.errors[channel.name])
        if channel.archived and posting:
            return refuse("is_archived")
        public = posting and "chat:write.public" in self.workspace.scopes
        if not channel.member and not public:
            return refuse("not_in_channel")
        return channel

    async def do_chat_postMessage(self, body: Body) -> web.StreamResponse:
        space = self.workspace
        channel = self._target(body, posting=True)
        if isinstance(channel, web.Response):
            return channel
        key = f"post:{channel.id}"
        self._rested(key)
        if self.workspace.clock.monotonic() < space.rest_until.get(key, 0.0) - 0.005:
            return self._limited(key, space.rest_until[key] - self.workspace.clock.monotonic())
        fault = self.faults.draw()
        if fault is Fault.RATE_LIMITED:
            return self._limited(key, space.retry_after)
        wait = space.bucket(key, space.message_rate, space.message_burst).wait()
        if wait > 0:
            return self._limited(key, wait)
        if found := problems(body):
            space.refused += found
            return refuse(found[0][0], response_metadata={"messages": [found[0][1]]})
        thread = body.get("thread_ts")
        if thread and not any(each.ts == thread for each in channel.messages):
            return refuse("thread_not_found")
        if fault is not None and not fault.stores:
            return self._broken(fault)
        message = space.store(channel, body)
        if fault is Fault.LATE:
            await asyncio.sleep(self.faults.late)
        elif fault is not None:
            return self._broken(fault)
        return web.json_response(
            {"ok": True, "channel": channel.id, "ts": message.ts, "message": shown(message)}
        )

    def _broken(self, fault: Fault) -> web.StreamResponse:
        match fault:
            case Fault.ERROR_BEFORE | Fault.ERROR_AFTER:
                return web.Response(status=500, text="internal error")
            case Fault.RESET_BEFORE | Fault.RESET_AFTER:
                raise Reset
            case Fault.FATAL:
                return refuse("fatal_error")
            case Fault.CUT:
                return web.Response(text='{"ok": true, "chan', content_type="application/json")
            case _:
                return web.Response(text="<html>Please sign in", content_type="text/html")

    async def do_chat_update(self, body: Body) -> web.StreamResponse:
        space = self.workspace
        channel = self._target(body, posting=True)
        if isinstance(channel, web.Response):
            return channel
        wait = space.bucket("update", space.update_rate / 60, space.update_rate).wait()
        if wait > 0:
            return self._limited("update", wait)
        message = next((each for each in channel.messages if each.ts == body.get("ts")), None)
        if message is None:
            return refuse("message_not_found")
        if found := problems(body, update=True):
            space.refused += found
            return refuse(found[0][0], response_metadata={"messages": [found[0][1]]})
        kinds = [block["type"] for block in message.body.get("blocks") or []]
        new = [block["type"] for block in body.get("blocks") or []]
        if "rich_text" in kinds and "rich_text" not in new:
            return refuse("block_mismatch")
        kept = {"thread_ts": message.thread_ts} if message.thread_ts else {}
        changed = {name: value for name, value in body.items() if name not in ("ts", "channel")}
        # metadata stays unless it is given anew.
        changed.setdefault("metadata", message.body.get("metadata"))
        message.body = {**kept, **changed}
        message.edits += 1
        return web.json_response({"ok": True, "channel": channel.id, "ts": message.ts})

    async def do_chat_delete(self, body: Body) -> web.StreamResponse:
        channel = self._target(body, posting=True)
        if isinstance(channel, web.Response):
            return channel
        for message in channel.messages:
            if message.ts == body.get("ts"):
                channel.messages.remove(message)
                return web.json_response({"ok": True, "channel": channel.id, "ts": message.ts})
        return refuse("message_not_found")

    async def do_conversations_history(self, body: Body) -> web.StreamResponse:
        return await self._read(body, "conversations.history", None)

    async def do_conversations_replies(self, body: Body) -> web.StreamResponse:
        return await self._read(body, "conversations.replies", str(body.get("ts")))

    async def _read(self, body: Body, method: str, thread: str | None) -> web.StreamResponse:
        space = self.workspace
        channel = self._target(body, posting=False)
        if isinstance(channel, web.Response):
            return channel
        self._rested(method)
        burst = 1.0 if space.history_rate <= 1 else space.history_rate
        wait = space.bucket(method, space.history_rate / 60, burst).wait()
        if wait > 0:
            return self._limited(method, wait)
        now = space.clock.monotonic()
        oldest = float(body.get("oldest") or 0)
        found = [
            message
            for message in channel.messages
            if message.visible_at <= now and float(message.ts) > oldest
        ]
        if thread is None:
            found = [
                each for each in found if not each.thread_ts or each.body.get("reply_broadcast")
            ]
            found.reverse()  # newest first
        else:
            if not any(message.ts == thread for message in channel.messages):
                return refuse("thread_not_found")
            found = [each for each in found if thread in (each.ts, each.thread_ts)]
        start = int(body.get("cursor") or 0)
        limit = min(int(body.get("limit") or 100), space.history_limit, 999)
        page, more = found[start : start + limit], len(found) > start + limit
        with_metadata = str(body.get("include_all_metadata", "")).lower() in ("1", "true")
        return web.json_response(
            {
                "ok": True,
                "messages": [shown(message, metadata=with_metadata) for message in page],
                "has_more": more,
                "response_metadata": {"next_cursor": str(start + limit) if more else ""},
            }
        )

    async def do_conversations_list(self, body: Body) -> web.StreamResponse:
        wait = self.workspace.bucket("conversations.list", 20 / 60, 20).wait()
        if wait > 0:
            return self._limited("conversations.list", wait)
        channels = [
            {"id": each.id, "name": each.name, "is_member": each.member}
            for each in self.workspace.channels.values()
            if (each.member or not each.private) and not each.archived
        ]
        start, limit = int(body.get("cursor") or 0), int(body.get("limit") or 100)
        more = len(channels) > start + limit
        return web.json_response(
            {
                "ok": True,
                "channels": channels[start : start + limit],
                "response_metadata": {"next_cursor": str(start + limit) if more else ""},
            }
        )

    async def do_conversations_info(self, body: Body) -> web.StreamResponse:
        channel = self.workspace.find(str(body.get("channel") or ""))
        if channel is None:
            return refuse("channel_not_found")
        return web.json_response(
            {
                "ok": True,
                "channel": {
                    "id": channel.id,
                    "name": channel.name,
                    "is_member": channel.member,
                    "is_archived": channel.archived,
                },
            }
        )

    # Socket Mode, modals, ephemeral answers ----------------------------------------------------

    async def connections_open(self, token: str) -> web.StreamResponse:
        if token != APP_TOKEN:
            return refuse("invalid_auth")
        return web.json_response({"ok": True, "url": f"ws://127.0.0.1:{self.port}/socket"})

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": 1})
        self._sockets.append(socket)
        self.connected.set()
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                envelope = json.loads(message.data).get("envelope_id")
                if envelope in self._acks:
                    self._acks[envelope].set()
        self._sockets.remove(socket)
        return socket

    async def deliver(self, kind: str, payload: Body) -> Body:
        """Send an envelope as Slack does; returns its payload once it is acknowledged.

        Raises ``TimeoutError`` when that takes more than Slack's three seconds.
        """
        envelope = f"envelope-{len(self._acks)}"
        self._acks[envelope] = asyncio.Event()
        trigger = f"trigger-{envelope}"
        self._triggers[trigger] = self.workspace.clock.monotonic() + 3
        address = f"http://127.0.0.1:{self.port}/respond/{envelope}"
        payload = {"trigger_id": trigger, "response_url": address, **payload}
        await self._sockets[-1].send_json(
            {
                "type": kind,
                "envelope_id": envelope,
                "payload": payload,
                "accepts_response_payload": True,
            }
        )
        await asyncio.wait_for(self._acks[envelope].wait(), 3)
        return payload

    async def press(self, action: Body, user: str = "U0READER") -> Body:
        """Press a button (an element as it stands in the message) or an overflow's option."""
        body = {"type": "block_actions", "user": {"id": user}, "actions": [action]}
        return await self.deliver("interactive", body)

    async def command(self, text: str, user: str = "U0READER", channel: str = "news-watch") -> Body:
        """Give the command `/watch TEXT`."""
        found = self.workspace.find(channel)
        assert found is not None
        body = {"command": "/watch", "text": text, "user_id": user}
        body |= {"channel_id": found.id, "channel_name": found.name}
        return await self.deliver("slash_commands", body)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        """A response_url: five uses."""
        envelope = request.match_info["envelope"]
        used = sum(each["envelope"] == envelope for each in self.workspace.responses)
        if used >= 5:
            return refuse("used_url")
        self.workspace.responses.append({"envelope": envelope, **await request.json()})
        return web.Response(text="ok")

    async def do_views_open(self, body: Body) -> web.StreamResponse:
        if self._triggers.get(str(body.get("trigger_id")), 0.0) < self.workspace.clock.monotonic():
            return refuse("expired_trigger_id")
        view = body.get("view") or {}
        found = problems({"text": "modal", "blocks": view.get("blocks") or []})
        if view.get("type") != "modal" or len(view["title"]["text"]) > 24 or found:
            self.workspace.refused += found
            return refuse("invalid_arguments")
        self.workspace.views.append(view)
        return web.json_response({"ok": True, "view": {"id": "V1"}})

    # Incoming webhooks -------------------------------------------------------------------------

    async def _webhook(self, request: web.Request) -> web.StreamResponse:
        space = self.workspace
        body = await request.json()
        call = Call(space.clock.monotonic(), "webhook", "news-watch")
        space.calls.append(call)
        channel = space.channels["news-watch"]
        self._rested("webhook")
        if space.down == "reset":
            return self._abort(request)
        if space.down:
            return web.Response(status=503)
        fault = self.faults.draw()
        wait = space.bucket("webhook", space.message_rate, space.message_burst).wait()
        if wait > 0 or fault is Fault.RATE_LIMITED:
            return self._limited("webhook", max(wait, space.retry_after))
        if "metadata" in body or problems(body):
            space.refused += problems(body)
            return web.Response(status=400, text="invalid_payload")
        if fault is None or fault.stores:
            space.store(channel, body)
            space.hooks.append(body)
        if fault is Fault.LATE:
            await asyncio.sleep(self.faults.late)
        if fault in (None, Fault.LATE):
            return web.Response(text="ok")
        try:
            return self._broken(fault)
        except Reset:
            return self._abort(request)

    def _abort(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)


def refuse(error: str, **more: Any) -> web.Response:
    """Answer as Slack does: HTTP 200 with ``ok: false``."""
    return web.json_response({"ok": False, "error": error, **more})


def shown(message: Message, *, metadata: bool = True) -> Body:
    """Return a message as history shows it."""
    out: Body = {
        "type": "message",
        "ts": message.ts,
        "text": message.text,
        "user": BOT,
        "bot_id": "B0FAKE",
        "blocks": message.body.get("blocks") or [],
    }
    if message.thread_ts:
        out["thread_ts"] = message.thread_ts
    if metadata and message.body.get("metadata"):
        out["metadata"] = message.body["metadata"]
    return out


class FakeSlackThread:
    """The same server in a thread of its own: ``with FakeSlackThread() as slack:``."""

    def __init__(self, faults: Faults | None = None, **settings: Any) -> None:
        self.slack = FakeSlack(faults, **settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> FakeSlack:
        self._thread.start()
        self._run(self.slack.__aenter__())
        return self.slack

    def __exit__(self, *exc: object) -> None:
        self._run(self.slack.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
