"""The real slack-sdk against the fake Slack, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.delivery.sender import (
    CantLook,
    ChannelRefused,
    Look,
    MessageRefused,
    NotReached,
    Outgoing,
    RateLimited,
    RootGone,
    Seen,
    Sent,
    Unclear,
)
from monitor.delivery.slack.send import SlackApi, SlackSender
from monitor.delivery.slack.webhook import SlackWebhookSender
from monitor.values import Receipt
from tests.fakeslack import FakeSlack, Fault, Faults
from tests.unit.delivery.parts import START, story_alert

Play = Callable[[FakeSlack, SlackSender], Awaitable[None]]


def play(
    scene: Play, faults: Faults | None = None, channel: str = "#news-watch", **slack: object
) -> FakeSlack:
    """Run ``scene`` with a fake Slack and a sender to one of its channels."""

    async def run() -> FakeSlack:
        async with FakeSlack(faults, message_rate=0, **slack) as fake:
            api = SlackApi(fake.token, fake.url, timeout=2)
            try:
                await scene(fake, SlackSender(api, channel))
            finally:
                await api.aclose()
            return fake

    return asyncio.run(run())


def outgoing(number: int = 1, **changes: object) -> Outgoing:
    return Outgoing(f"delivery-{number}", story_alert(**changes))


def test_a_message_is_posted_with_its_delivery_id() -> None:
    async def scene(fake: FakeSlack, sender: SlackSender) -> None:
        result = await sender.send(outgoing())
        (message,) = fake.workspace.messages("news-watch")
        assert result == Sent(Receipt(message.ts, fake.workspace.channels["news-watch"].id))
        assert message.delivery_id == "delivery-1"
        assert "xoxb" not in str(message.body)

    play(scene)


@pytest.mark.parametrize(
    ("fault", "stored"),
    [
        (Fault.ERROR_BEFORE, 0),
        (Fault.ERROR_AFTER, 1),
        (Fault.RESET_BEFORE, 0),
        (Fault.RESET_AFTER, 1),
        (Fault.LATE, 1),
        (Fault.GARBAGE, 1),
        (Fault.PORTAL, 0),
        (Fault.FATAL, 1),
        (Fault.CUT, 1),
    ],
)
def test_an_unclear_outcome_is_reported_once_and_never_sent_again(
    fault: Fault, stored: int
) -> None:
    async def scene(fake: FakeSlack, sender: SlackSender) -> None:
        assert isinstance(await sender.send(outgoing()), Unclear)
        assert fake.workspace.count("chat.postMessage") == 1
        assert len(fake.workspace.messages()) == stored

    play(scene, Faults(script=[fault], late=3))


def test_a_429_carries_its_retry_after() -> None:
    async def scene(fake: FakeSlack, sender: SlackSender) -> None:
        assert await sender.send(outgoing()) == RateLimited(7.0)

    play(scene, Faults(script=[Fault.RATE_LIMITED]), retry_after=7)


def test_nobody_listening_is_not_unclear() -> None:
    async def run() -> None:
        api = SlackApi("xoxb-1", "http://127.0.0.1:9/api/", timeout=2)
        try:
            assert isinstance(await SlackSender(api, "#x").send(outgoing()), NotReached)
        finally:
            await api.aclose()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("settings", "error", "hint"),
    [
        ({"token_error": "token_revoked"}, "token_revoked", "reinstall"),
        ({"token_error": "account_inactive"}, "account_inactive", "reinstall"),
        ({"errors": {"news-watch": "is_archived"}}, "is_archived", "archive"),
        ({"errors": {"news-watch": "not_in_channel"}}, "not_in_channel", "/invite"),
        ({"scopes": frozenset({"channels:read"})}, "missing_scope", "chat:write"),
    ],
)
def test_what_stops_a_channel_is_named_with_what_to_do(
    settings: dict[str, Any], error: str, hint: str
) -> None:
    async def scene(fake: FakeSlack, sender: SlackSender) -> None:
        result = await sender.send(outgoing())
        assert isinstance(result, ChannelRefused)
        assert result.reason == error
        assert hint in result.hint

    play(scene, **settings)


def test_an_unknown_channel_is_refused() -> None:
    async def scene(fake: FakeSlack, sender: SlackSender) -> None:
        result = await sender.send(outgoing())
        assert isinstance(result, ChannelRefused)
        assert result.reason == "channel_not_found"

    play(scene, channel="#nowhere")


@pytest.mark.parametrize("error", ["msg_too_long", "invalid_blocks", "msg_blocks_too_long"])
def test_a_refused_message_is_told_apart(error: str) -> None:
    async def scene(fake: FakeSlack, sender: SlackSender) -> None:
        assert await sender.send(outgoing()) == MessageRefused(error)

    play(scene, errors={"news-watch": error})


def test_a_root_is_edited_answered_and_missed_when_deleted() -> None:
    async def scene(fake: FakeSlack, sender: SlackSender) -> None:
        sent = await sender.send(outgoing())
        assert isinstance(sent, Sent)
        root = sent.receipt
        assert root is not None
        again = story_alert(sources=("A", "B", "C", "D"), revision=1)
        edit = Outgoing("delivery-2", again, root=root, edit=True)
        assert await sender.send(edit) == Sent(root)
        reply = await sender.send(Outgoing("delivery-3", story_alert(kind="update"), root=root))
        assert isinstance(reply, Sent)
        messages = fake.workspace.messages("news-watch")
        assert [message.thread_ts for message in messages] == [None, root.ts]
        assert "4 sources" in messages[0].text
        assert await sender.remove(root) == Sent(root)
        assert isinstance(await sender.send(edit), RootGone)

    play(scene)


@pytest.mark.parametrize("limit", [999, 15])
def test_history_is_read_to_its_end(limit: int) -> None:
    async def scene(fake: FakeSlack, sender: SlackSender) -> None:
        for number in range(40):
            await sender.send(outgoing(number, story_id=f"s{number}"))
        ids = frozenset({"delivery-0", "delivery-39", "delivery-77"})
        found: dict[str, tuple[Receipt, ...]] = {}
        cursor, pages = None, 0
        while True:
            since = START - timedelta(days=3650)
            page = await sender.look(Look(ids, since, cursor=cursor))
            assert isinstance(page, Seen)
            found.update(page.found)
            pages += 1
            if (cursor := page.cursor) is None:
                break
        assert set(found) == {"delivery-0", "delivery-39"}
        assert pages == -(-40 // limit)

    play(scene, history_limit=limit)


def test_a_clock_that_is_hours_ahead_finds_what_was_sent() -> None:
    async def scene(fake: FakeSlack, sender: SlackSender) -> None:
        await sender.send(outgoing())
        ours = datetime.now(UTC) + timedelta(hours=2)
        ids, since = frozenset({"delivery-1"}), ours - timedelta(minutes=2)
        for _ in range(2):
            seen = await sender.look(Look(ids, since, now=ours))
            assert isinstance(seen, Seen)
            assert set(seen.found) == {"delivery-1"}
        # The second look knew what the first had found out.
        assert fake.workspace.count("conversations.history") == 3

    play(scene)


def test_history_without_its_scope_says_which() -> None:
    async def scene(fake: FakeSlack, sender: SlackSender) -> None:
        await sender.send(outgoing())
        seen = await sender.look(Look(frozenset({"delivery-1"}), START))
        assert isinstance(seen, CantLook)
        assert seen.lasting
        assert "channels:history" in seen.reason

    play(scene, scopes=frozenset({"chat:write", "channels:read"}))


def test_without_the_scope_to_list_an_earlier_receipt_names_the_channel() -> None:
    async def scene(fake: FakeSlack, sender: SlackSender) -> None:
        await sender.send(outgoing())
        fresh = SlackApi(fake.token, fake.url, timeout=2)
        again = SlackSender(fresh, "#news-watch")
        known = fake.workspace.channels["news-watch"].id
        ids, since = frozenset({"delivery-1"}), START - timedelta(days=3650)
        try:
            blind = await again.look(Look(ids, since))
            assert isinstance(blind, CantLook)
            assert "channels:read" in blind.reason
            seen = await again.look(Look(ids, since, channel_id=known))
        finally:
            await fresh.aclose()
        assert isinstance(seen, Seen)
        assert set(seen.found) == {"delivery-1"}

    play(scene, scopes=frozenset({"chat:write", "channels:history"}))


def test_a_webhook_takes_the_same_message() -> None:
    async def run() -> None:
        async with FakeSlack(message_rate=0) as fake:
            sender = SlackWebhookSender(fake.webhook)
            try:
                assert await sender.send(outgoing()) == Sent()
                fake.faults.script = [Fault.RESET_AFTER, Fault.RATE_LIMITED]
                assert isinstance(await sender.send(outgoing()), Unclear)
                assert isinstance(await sender.send(outgoing()), RateLimited)
            finally:
                await sender.aclose()
            assert len(fake.workspace.messages()) == 2
            assert fake.workspace.refused == []

    asyncio.run(run())


def test_the_fake_holds_a_channel_to_one_message_a_second() -> None:
    async def run() -> None:
        async with FakeSlack() as fake:
            api = SlackApi(fake.token, fake.url)
            try:
                news, ops = SlackSender(api, "#news-watch"), SlackSender(api, "#news-watch-ops")
                results = [await sender.send(outgoing()) for sender in (news, news, ops)]
            finally:
                await api.aclose()
        assert isinstance(results[0], Sent)
        assert results[1] == RateLimited(1.0)
        assert isinstance(results[2], Sent)

    asyncio.run(run())
