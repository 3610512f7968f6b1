"""The other channels against a real HTTP server: JSON webhook, Discord, Apprise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from monitor.delivery import apprise
from monitor.delivery.discord import DiscordSender, escape_markdown, render
from monitor.delivery.sender import (
    ChannelRefused,
    MessageRefused,
    NotReached,
    Outgoing,
    RateLimited,
    Result,
    Sender,
    Sent,
    Unclear,
)
from monitor.delivery.webhook import JsonWebhookSender, payload, sign
from monitor.values import Receipt
from tests.unit.delivery.messages import HOSTILE, shapes
from tests.unit.delivery.parts import SetClock, story_alert

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def sent_to(
    answer: Answer, make: Callable[[str], Sender], message: Outgoing
) -> tuple[Result, list[tuple[dict[str, str], bytes]]]:
    """Send ``message`` to a server that answers with ``answer``; returns what it was sent."""
    got: list[tuple[dict[str, str], bytes]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        got.append((dict(request.headers), await request.read()))
        return await answer(request)

    async def run() -> Result:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        sender = make(f"http://127.0.0.1:{port}/hook/SECRET")
        try:
            return await sender.send(message)
        finally:
            await sender.aclose()
            await runner.cleanup()

    return asyncio.run(run()), got


def answering(status: int, body: str = "", **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers=headers)

    return answer


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


MESSAGE = Outgoing("delivery-1", story_alert())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (answering(200), Sent()),
        (answering(204), Sent()),
        (answering(400, "bad"), MessageRefused("HTTP 400: bad")),
        (answering(429, **{"Retry-After": "12"}), RateLimited(12.0)),
        (answering(500), Unclear("HTTP 500")),
    ],
)
def test_a_json_webhook_s_answers(answer: Answer, expected: Result) -> None:
    result, got = sent_to(answer, JsonWebhookSender, MESSAGE)
    assert result == expected
    assert len(got) == 1


@pytest.mark.parametrize("status", [301, 302, 308])
def test_redirects_are_not_followed(status: int) -> None:
    result, got = sent_to(answering(status, Location="/other"), JsonWebhookSender, MESSAGE)
    assert isinstance(result, NotReached)
    assert len(got) == 1


def test_a_lost_answer_is_unclear_and_sent_once() -> None:
    result, got = sent_to(reset, JsonWebhookSender, MESSAGE)
    assert isinstance(result, Unclear)
    assert len(got) == 1
    assert "SECRET" not in result.reason


def test_the_address_stays_out_of_errors() -> None:
    sender = JsonWebhookSender("http://127.0.0.1:9/hook/SECRET")

    async def run() -> Result:
        try:
            return await sender.send(MESSAGE)
        finally:
            await sender.aclose()

    result = asyncio.run(run())
    assert isinstance(result, NotReached)
    assert "SECRET" not in result.reason
    assert "SECRET" not in sender.lane


def test_a_signature_covers_body_and_time() -> None:
    clock = SetClock()
    result, got = sent_to(
        answering(200), lambda url: JsonWebhookSender(url, "key", clock=clock), MESSAGE
    )
    assert result == Sent()
    headers, body = got[0]
    stamp = headers["X-Newswatch-Timestamp"]
    assert headers["X-Newswatch-Signature"] == sign("key", stamp, body)
    assert headers["X-Newswatch-Signature"] != sign("other", stamp, body)
    assert headers["X-Newswatch-Signature"] != sign("key", stamp, body + b" ")
    assert headers["X-Newswatch-Signature"] != sign("key", str(int(stamp) + 1), body)
    assert headers["X-Newswatch-Delivery"] == "delivery-1"


def test_a_signature_is_as_documented() -> None:
    # printf 'v1:1700000000:{}' | openssl dgst -sha256 -hmac key
    expected = "v1=584e59c409146d134b9c5f3551be5110dcd1cf3262710509ae10c5cc17a991cb"
    assert sign("key", "1700000000", b"{}") == expected


@pytest.mark.parametrize("name", sorted(shapes()))
def test_a_payload_has_all_keys_and_is_plain_ascii_json(name: str) -> None:
    told = payload(shapes()[name], "id")
    assert set(told) == set(payload(story_alert(), "id"))
    text = json.dumps(told)
    assert text.isascii()
    assert "\\ud800" not in text
    assert "\\u202e" not in text


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (answering(200, '{"id": "9", "channel_id": "7"}'), Sent(Receipt("9", "7"))),
        (answering(204), Sent(None)),
        (answering(429, '{"retry_after": 0.64}'), RateLimited(0.64)),
        (answering(404, "{}"), None),
        (answering(502), Unclear("HTTP 502")),
    ],
)
def test_discord_s_answers(answer: Answer, expected: Result | None) -> None:
    result, got = sent_to(answer, DiscordSender, MESSAGE)
    if expected is None:
        assert isinstance(result, ChannelRefused)
    else:
        assert result == expected
    body = json.loads(got[0][1])
    assert body["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("name", sorted(shapes()))
def test_discord_messages_are_within_limits_and_inert(name: str, plain: bool) -> None:
    body = render(shapes()[name], plain)
    assert body["allowed_mentions"] == {"parse": []}
    assert 0 < len(body["content"]) <= 2000
    for embed in body.get("embeds", []):
        assert len(embed["title"]) <= 256
        assert len(embed["description"]) <= 4096
        assert len(embed.get("footer", {}).get("text", "")) <= 2048
        assert sum(len(str(value)) for value in embed.values()) <= 6000
        assert "<@" not in embed["description"]
        assert "](https://evil" not in embed["description"]


def test_discord_markdown_is_escaped() -> None:
    text = "@everyone [md](https://evil) **b** <@1>"
    shown = escape_markdown(text)
    assert "\\@everyone" in shown
    assert "\\[md\\]\\(" in shown
    assert "\\<\\@1\\>" in shown


class FakeApprise:
    """Stands in for the package: the extra is optional."""

    def __init__(self, said: bool | None) -> None:
        self.said = said
        self.calls: list[dict[str, Any]] = []
        self.added: list[str] = []

    def Apprise(self) -> FakeApprise:
        return self

    def add(self, servers: str) -> bool:
        self.added.append(servers)
        return not servers.startswith("bad")

    def notify(self, **call: Any) -> bool | None:
        self.calls.append(call)
        return self.said


@pytest.mark.parametrize(
    ("address", "said", "expected"),
    [
        ("ntfy://host/topic", True, Sent()),
        ("ntfy://host/topic", False, Unclear("the service refused it or wasn't reached")),
        ("bad", True, ChannelRefused("not an Apprise URL", "see github.com/caronc/apprise/wiki")),
    ],
)
def test_apprise_is_asked_for_plain_text_without_its_own_retry(
    address: str, said: bool, expected: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeApprise(said)
    monkeypatch.setattr(apprise, "load_apprise", lambda: fake)
    sender = apprise.AppriseSender(address)
    hostile = Outgoing("d", story_alert(title=HOSTILE))
    assert asyncio.run(sender.send(hostile)) == expected
    assert fake.added == [address + "?retry=0"]
    for call in fake.calls:
        assert call["body_format"] == "text"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise, "load_apprise", lambda: None)
    result = asyncio.run(apprise.AppriseSender("ntfy://h/t").send(MESSAGE))
    assert isinstance(result, ChannelRefused)
    assert "newswatch[apprise]" in result.hint
