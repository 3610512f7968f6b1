"""WebSub against a hub of the tests' own, over real sockets: asked, confirmed, signed, renewed."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from urllib.parse import parse_qs

import httpx
import pytest
from aiohttp import web

from monitor.config.models import NetworkSettings, PollingSettings
from monitor.errors import UsageError
from monitor.sources.fetch import Fetcher
from monitor.sources.outcome import FetchOutcome
from monitor.sources.rhythm import Rhythm, to_text
from monitor.sources.schedule import after_poll, health
from monitor.sources.websub import BLOB, BODY_MAX, Subscriber, pushed, signed
from monitor.sources.websub_server import websub_server
from monitor.store import open_store
from monitor.store.port import FeedState, Store, Validators
from monitor.values import Entry, Feed, ParsedFeed
from tests.feedserver import rss

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
FEED = "https://news.example/feed"
DAY = timedelta(days=1)


class Hands:
    """A clock set by hand."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


class Hub:
    """A hub: takes subscriptions, confirms them by a call of its own, pushes what it is told to."""

    def __init__(self, lease: int = 864_000, answer: int = 202, confirms: bool = True) -> None:
        self.lease, self.answer, self.confirms = lease, answer, confirms
        self.asked: list[dict[str, str]] = []
        self.confirmed: list[tuple[int, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, request: web.Request) -> web.Response:
        form = {k: v[0] for k, v in parse_qs(await request.text()).items()}
        self.asked.append(form)
        if self.confirms and self.answer == 202:
            task = asyncio.ensure_future(self.confirm(form))
            self._tasks.add(task)
        return web.Response(status=self.answer)

    async def confirm(self, form: dict[str, str], **changed: str) -> None:
        query = {
            "hub.mode": "subscribe",
            "hub.topic": form["hub.topic"],
            "hub.challenge": "c-123",
            "hub.lease_seconds": str(self.lease),
            **changed,
        }
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(form["hub.callback"], params=query)
        self.confirmed.append((answer.status_code, answer.text))

    async def settled(self) -> None:
        await asyncio.gather(*self._tasks)

    async def push(
        self, form: dict[str, str], body: bytes, method: str = "sha256", key: str | None = None
    ) -> int:
        secret = (key or form["hub.secret"]).encode()
        digest = hmac.new(secret, body, getattr(hashlib, method)).hexdigest()
        headers = {"X-Hub-Signature": f"{method}={digest}", "Content-Type": "application/rss+xml"}
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(form["hub.callback"], content=body, headers=headers)
        return answer.status_code


class World:
    """A subscriber behind a web server, a hub, and what was delivered."""

    def __init__(self, store: Store, fetcher: Fetcher, clock: Hands, hub: Hub) -> None:
        self.store, self.fetcher, self.clock, self.hub = store, fetcher, clock, hub
        self.pushes: list[tuple[str, FetchOutcome]] = []
        self.came = asyncio.Event()
        self.hub_url = self.callback = ""
        self.subscriber: Subscriber

    async def deliver(self, feed: str, outcome: FetchOutcome) -> None:
        self.pushes.append((feed, outcome))
        self.came.set()

    def states(self, **extra: object) -> dict[str, FeedState]:
        notes = {"hubs": [self.hub_url], "self": FEED, **extra}
        state = FeedState(1, FEED, NOW, NOW, validators=Validators(etag='"1"'), extra=notes)
        return {FEED: state}

    async def restarted(self) -> Subscriber:
        again = Subscriber(
            self.store, lambda: self.fetcher, self.clock, self.callback, self.deliver
        )
        await again.load()
        return again


@asynccontextmanager
async def a_world(tmp_path: Path, hub: Hub) -> AsyncIterator[World]:
    clock = Hands()
    store = await open_store(tmp_path / "state", now=NOW, tokenize=str.split)
    fetcher = Fetcher(NetworkSettings(allow=["127.0.0.1"]), clock, config_dir=tmp_path)
    world = World(store, fetcher, clock, hub)
    app = web.Application()
    app.router.add_post("/hub", hub.handle)
    runner = web.AppRunner(app)

    async def late(request: web.Request) -> web.StreamResponse:
        # the subscriber's address is known only once the port is
        table = {r.method: r.handler for r in world.subscriber.routes("/websub")}
        return await table[request.method](request)

    app.router.add_get("/websub/{token}", late, allow_head=False)
    app.router.add_post("/websub/{token}", late)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    world.hub_url = f"http://{host}:{port}/hub"
    world.callback = f"http://{host}:{port}/websub"
    world.subscriber = Subscriber(store, lambda: fetcher, clock, world.callback, world.deliver)
    try:
        yield world
    finally:
        await hub.settled()
        await runner.cleanup()
        await fetcher.aclose()
        await store.close()


def test_a_push_arrives_end_to_end(tmp_path: Path) -> None:
    async def main() -> None:
        hub = Hub()
        async with a_world(tmp_path, hub) as world:
            assert await world.subscriber.renew(world.states()) == 1
            await hub.settled()
            assert hub.confirmed == [(200, "c-123")]
            form = hub.asked[0]
            assert (form["hub.mode"], form["hub.topic"]) == ("subscribe", FEED)
            assert len(form["hub.secret"]) >= 32
            assert world.subscriber.subscriptions()[FEED].state == "active"
            body = rss([("9", "Pushed")]).encode()
            assert await hub.push(form, body) == 202
            await asyncio.wait_for(world.came.wait(), 5)  # publish to seen: < 5 s
            feed, outcome = world.pushes[0]
            assert (feed, outcome.body, outcome.http_status) == (FEED, body, 226)
            assert outcome.pushed_until == NOW + 10 * DAY
            # asked once, not again and again
            assert await world.subscriber.renew(world.states()) == 0

    asyncio.run(main())


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha384", "sha512"])
def test_each_digest_of_the_specification_is_read(method: str) -> None:
    value = hmac.new(b"key", b"body", getattr(hashlib, method)).hexdigest()
    assert signed("key", b"body", f"{method}={value}")
    assert signed("key", b"body", f"{method.upper()}={value.upper()}")
    assert not signed("key", b"body!", f"{method}={value}")
    assert not signed("other", b"body", f"{method}={value}")


@pytest.mark.parametrize("signature", [None, "", "sha256", "sha256=", "md5=abc", "sha256=\u00e9"])
def test_a_missing_or_odd_signature_is_none(signature: str | None) -> None:
    assert not signed("key", b"body", signature)


def test_what_is_not_signed_with_our_secret_is_ignored(tmp_path: Path) -> None:
    async def main() -> None:
        hub = Hub()
        async with a_world(tmp_path, hub) as world:
            await world.subscriber.renew(world.states())
            await hub.settled()
            form = hub.asked[0]
            assert await hub.push(form, b"<rss/>", key="guessed") == 202
            stranger = {**form, "hub.callback": f"{world.callback}/not-a-token"}
            assert await hub.push(stranger, b"<rss/>") == 404
            assert world.pushes == []

    asyncio.run(main())


CALLS = [
    ("another topic", {"hub.topic": "https://evil.example/"}),
    ("unsubscribe", {"hub.mode": "unsubscribe"}),
    ("no challenge", {"hub.challenge": ""}),
]


@pytest.mark.parametrize("changed", [c[1] for c in CALLS], ids=[c[0] for c in CALLS])
def test_a_call_for_what_we_did_not_ask_is_refused(tmp_path: Path, changed: dict[str, str]) -> None:
    async def main() -> None:
        hub = Hub(confirms=False)
        async with a_world(tmp_path, hub) as world:
            await world.subscriber.renew(world.states())
            await hub.confirm(hub.asked[0], **changed)
            assert hub.confirmed[0][0] == 404
            assert world.subscriber.subscriptions()[FEED].state == "asked"
            assert await hub.push(hub.asked[0], b"<rss/>") == 410
            world.clock.at += timedelta(hours=2)
            await hub.confirm(hub.asked[0])
            assert hub.confirmed[1][0] == 404  # too late to be an answer to our asking

    asyncio.run(main())


def test_a_lease_is_renewed_before_it_ends_and_pushes_go_on(tmp_path: Path) -> None:
    async def main() -> None:
        hub = Hub(lease=4 * 86_400)
        async with a_world(tmp_path, hub) as world:
            await world.subscriber.renew(world.states())
            await hub.settled()
            world.clock.at = NOW + 2 * DAY
            assert await world.subscriber.renew(world.states()) == 0
            world.clock.at = NOW + 3.5 * DAY
            hub.confirms = False
            assert await world.subscriber.renew(world.states()) == 1
            # not confirmed yet: the old lease still holds
            assert await hub.push(hub.asked[0], b"<rss/>") == 202
            await hub.confirm(hub.asked[1])
            assert world.subscriber.subscriptions()[FEED].until == NOW + 7.5 * DAY
            assert hub.asked[1]["hub.secret"] == hub.asked[0]["hub.secret"]

    asyncio.run(main())


def test_a_lapsed_lease_is_asked_for_again(tmp_path: Path) -> None:
    async def main() -> None:
        hub = Hub(lease=86_400)
        async with a_world(tmp_path, hub) as world:
            await world.subscriber.renew(world.states())
            await hub.settled()
            world.clock.at = NOW + 2 * DAY
            assert await hub.push(hub.asked[0], b"<rss/>") == 410
            assert await world.subscriber.renew(world.states()) == 1
            await hub.settled()
            assert world.subscriber.subscriptions()[FEED].state == "active"

    asyncio.run(main())


@pytest.mark.parametrize("answer", [400, 404, 500])
def test_a_hub_that_refuses_is_left_alone_for_a_while(tmp_path: Path, answer: int) -> None:
    async def main() -> None:
        hub = Hub(answer=answer)
        async with a_world(tmp_path, hub) as world:
            assert await world.subscriber.renew(world.states()) == 1
            assert await world.subscriber.renew(world.states()) == 0
            world.clock.at += timedelta(hours=7)
            assert await world.subscriber.renew(world.states()) == 1

    asyncio.run(main())


def test_a_hub_inside_the_network_is_not_asked(tmp_path: Path) -> None:
    async def main() -> None:
        hub = Hub()
        async with a_world(tmp_path, hub) as world:
            states = world.states(hubs=["http://169.254.169.254/hub"])
            assert await world.subscriber.renew(states) == 1
            assert world.subscriber.subscriptions()[FEED].state == "refused"
            assert hub.asked == []

    asyncio.run(main())


def test_subscriptions_survive_a_restart_and_go_with_their_feed(tmp_path: Path) -> None:
    async def main() -> None:
        hub = Hub()
        async with a_world(tmp_path, hub) as world:
            await world.subscriber.renew(world.states())
            await hub.settled()
            world.subscriber = await world.restarted()
            assert await hub.push(hub.asked[0], b"<rss/>") == 202
            assert len(world.pushes) == 1
            await world.subscriber.renew({})
            assert await hub.push(hub.asked[0], b"<rss/>") == 404
            assert await world.store.blob(BLOB) is None

    asyncio.run(main())


def test_a_denied_subscription_is_asked_for_later(tmp_path: Path) -> None:
    async def main() -> None:
        hub = Hub(confirms=False)
        async with a_world(tmp_path, hub) as world:
            await world.subscriber.renew(world.states())
            await hub.confirm(hub.asked[0], **{"hub.mode": "denied", "hub.reason": "no"})
            assert world.subscriber.subscriptions()[FEED].state == "refused"
            assert await world.subscriber.renew(world.states()) == 0

    asyncio.run(main())


def test_a_pushed_feed_is_polled_less_and_keeps_its_validators() -> None:
    feed = Feed(key=FEED, url=FEED, name="x")
    busy = {"rhythm": to_text(Rhythm(700.0, 7.0, (29.0,) * 24)), "entries": 30}
    state = FeedState(
        1, FEED, NOW, NOW, baselined_at=NOW, last_ok_at=NOW, validators=Validators(etag='"1"'),
        extra=busy,
    )  # fmt: skip
    outcome = FetchOutcome("ok", FEED, http_status=226, pushed_until=NOW + 10 * DAY)
    found = ParsedFeed(entries=(Entry(raw_id="1", url=None, title="x"),))
    polling, dice = PollingSettings(), Random(1)
    after = after_poll(state, feed, pushed(state, outcome), found, 1, NOW, polling, dice)
    assert after.validators == state.validators
    assert after.last_status == "ok: pushed, 1 new"
    assert after.next_at - NOW >= timedelta(hours=1)
    assert (health(after, NOW)["pushed"], after.extra["entries"]) == (True, 30)
    unchanged = FetchOutcome("not_modified", FEED, validators=state.validators, http_status=304)
    polled = after_poll(after, feed, unchanged, None, 0, NOW, polling, dice)
    assert polled.validators == state.validators
    assert polled.next_at - NOW >= timedelta(hours=1)
    lapsed = after_poll(after, feed, unchanged, None, 0, NOW + 11 * DAY, polling, dice)
    assert lapsed.next_at - (NOW + 11 * DAY) < timedelta(hours=1)


def test_hubs_are_found_in_link_headers() -> None:
    feed = Feed(key=FEED, url=FEED, name="x")
    headers = {"link": '</hub>; rel="hub", <https://news.example/self>; rel=self, <x>; rel=next'}
    outcome = FetchOutcome("ok", FEED, http_status=200, headers=headers)
    state = FeedState(1, FEED, NOW, NOW)
    after = after_poll(state, feed, outcome, ParsedFeed(), 0, NOW, PollingSettings(), Random(1))
    assert after.extra["hubs"] == ["https://news.example/hub"]
    assert after.extra["self"] == "https://news.example/self"


def test_the_callback_server_takes_a_push_and_renews_by_itself(tmp_path: Path) -> None:
    async def main() -> None:
        hub = Hub()
        async with a_world(tmp_path, hub) as world:
            listen = f"127.0.0.1:{free_port()}"
            async with websub_server(
                f"http://{listen}/in/websub",
                listen,
                world.store,
                lambda: world.fetcher,
                world.clock,
                world.states,
                world.deliver,
                first_round=0.0,
            ) as bound:
                assert bound == listen
                for _ in range(200):
                    await asyncio.sleep(0.02)
                    if hub.confirmed:
                        break
                assert hub.confirmed == [(200, "c-123")]
                assert await hub.push(hub.asked[0], b"<rss/>") == 202
                assert len(world.pushes) == 1
                large = bytes(BODY_MAX + 1)
                assert await hub.push(hub.asked[0], large) == 413
                with pytest.raises(UsageError, match="can't be used"):
                    async with taken(world, listen):
                        pass

    asyncio.run(main())


def taken(world: World, listen: str) -> AbstractAsyncContextManager[str]:
    return websub_server(
        "http://news.example/", listen, world.store, lambda: world.fetcher, world.clock,
        world.states, world.deliver,
    )  # fmt: skip


@pytest.mark.parametrize("listen", ["", "8089", "localhost:", "localhost:http"])
def test_a_listen_address_that_cannot_be_read_is_refused(tmp_path: Path, listen: str) -> None:
    async def main() -> None:
        async with a_world(tmp_path, Hub()) as world, taken(world, listen):
            pass

    with pytest.raises(UsageError, match="host:port"):
        asyncio.run(main())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
