"""What must hold, as short checks that a mutant breaks; each fails with ``AssertionError``."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from monitor.clock import SystemClock
from monitor.config.models import NetworkSettings
from monitor.daemon.assembly import assembled
from monitor.delivery.slack.render import render
from monitor.errors import AlreadyRunning, BodyRefused
from monitor.sources.decode import decode_body
from monitor.sources.fetch import Fetcher
from monitor.store.port import Validators
from monitor.values import Feed
from tests.feedserver import Answer, FeedServer, redirect, rss
from tests.integration.alerts.test_rounds import MORNING, NIGHT, QUIET, watch
from tests.unit.delivery.parts import story_alert
from tests.unit.delivery.test_injection import assert_safe

MIB = 1024 * 1024
CONFIG = """\
channels: {{out: {{console: true}}}}
defaults: {{channel: out}}
network: {{allow: [127.0.0.0/8]}}
feeds: [{{url: "{url}", name: Wire}}]
rules: [{{name: Fish, any: [zebrafish]}}]
"""


def _refusal(packed: bytes) -> str:
    """Return why a gzip body is refused; "" when it is taken."""
    try:
        decode_body(packed, "gzip", limit=20 * MIB, ratio=200)
    except BodyRefused as error:
        return error.reason
    return ""


def cut_bodies_are_refused(place: Path) -> None:
    """A compressed body without its end is not taken for a whole one, wherever it is cut."""
    whole = gzip.compress(rss([(str(n), f"Headline {n}") for n in range(50)]).encode(), mtime=0)
    for end in range(20, len(whole) - 1, 7):
        reason = _refusal(whole[:end])
        assert reason in ("truncated", "bad_encoding"), f"cut after {end} of {len(whole)} bytes"


def bombs_are_refused(place: Path) -> None:
    """64 MiB in 64 kB are not unfolded."""
    assert _refusal(gzip.compress(bytes(64 * MIB))) in ("bomb", "too_large")


def redirects_lead_nowhere_inside(place: Path) -> None:
    """A redirect to an address that is not allowed is not followed."""

    async def fetch(url: str) -> None:
        network = NetworkSettings(allow=["127.0.0.1/32"])
        fetcher = Fetcher(network, SystemClock(), config_dir=place)
        try:
            await fetcher.fetch(Feed(key=url, url=url, name="Wire"), Validators())
        finally:
            await fetcher.aclose()

    with FeedServer() as outside, FeedServer(host="127.0.0.2") as inside:
        inside.script("/feed", Answer(rss([("secret", "Secret")])))
        asyncio.run(fetch(outside.script("/feed", redirect(inside.url()))))
        assert inside.requests == [], "a redirect was followed to an address inside"


def markup_of_feeds_stays_text(place: Path) -> None:
    """A title that names everybody calls nobody."""
    for title in ("<!channel>", "&lt;!channel&gt;", "<@U123> & <https://a|b>"):
        assert_safe(render(story_alert(title=title), delivery_id="d"))


def one_daemon_a_state(place: Path) -> None:
    """A second daemon on the same state directory doesn't start."""
    config = place / "config.yaml"
    config.write_text(CONFIG.format(url="http://127.0.0.1:9/feed"))

    async def both() -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(assembled(config, {}))
            try:
                await stack.enter_async_context(assembled(config, {}))
            except AlreadyRunning:
                return
        raise AssertionError("two daemons shared a state directory")

    asyncio.run(both())


def _entries_taken(place: Path, documents: list[str]) -> int:
    """Poll a feed that shows ``documents`` one after the other; return how many were new."""
    config = place / "config.yaml"

    async def poll() -> int:
        async with assembled(config, {}) as daemon:
            await daemon.once(due_only=False)
            (state,) = daemon.current_states().values()
            return state.entries_seen

    with FeedServer() as server:
        url = server.script("/feed", *(Answer(text) for text in documents))
        config.write_text(CONFIG.format(url=url))
        # A fresh daemon for each poll: what counts is what is stored.
        return [asyncio.run(poll()) for _ in documents][-1]


HEADLINES = [
    "Harbour pilots end their strike after nine days of talks in Gdansk",
    "Glaciologists map a lake beneath the eastern ice sheet by radar",
    "Court of auditors finds gaps in the accounts of three railways",
    "Vineyards in the valley lose a third of their harvest to late frost",
    "Observatory reopens its refractor to school classes this winter",
    "Parliament sends the fisheries bill back to committee a second time",
]


def what_left_the_feed_is_remembered(place: Path) -> None:
    """Entries that leave a feed and come back are not news."""
    items = [(str(n), text) for n, text in enumerate(HEADLINES)]
    later = rss([*items[3:], ("later", "Ferry company orders two hulls from the yard upstream")])
    taken = _entries_taken(place, [rss(items), later, rss(items)])
    assert taken == len(items) + 1, f"{taken} entries taken, {len(items) + 1} were published"


def guids_alone_decide_nothing(place: Path) -> None:
    """Entries that come under new GUIDs at each fetch are not news."""
    documents = []
    for turn in range(3):
        document = rss((f"{n}", text) for n, text in enumerate(HEADLINES))
        documents.append(document.replace("<guid isPermaLink='false'>", f"<guid>{turn}-"))
    taken = _entries_taken(place, documents)
    assert taken == len(HEADLINES), f"{taken} entries taken, {len(HEADLINES)} were published"


def _told(place: Path, policy: dict[str, Any], start: datetime, ends: list[datetime]) -> list[str]:
    """Take five stories under ``policy``, make the rounds at ``ends``; return what was told."""

    async def play() -> list[str]:
        told: list[str] = []
        async with watch(place, channels={"news": policy}) as news:
            for minute in range(5):
                await news.takes("A", start + timedelta(minutes=minute))
            for now in ends:
                await news.round(now)
                for alert in await news.queued():
                    titles = [item.title for item in alert.items] or [alert.title]
                    told += titles
        return sorted(told)

    return asyncio.run(play())


ALL = [f"T{n}" for n in range(1, 6)]


def quiet_hours_lose_nothing(place: Path) -> None:
    """What comes at night is told in the morning."""
    assert _told(place, {"quiet_hours": QUIET}, NIGHT, [MORNING]) == ALL


def throttles_lose_nothing(place: Path) -> None:
    """What is over a channel's limit is told later."""
    noon = datetime(2026, 3, 3, 12, tzinfo=UTC)
    hours = [noon + timedelta(hours=n, minutes=10) for n in range(5)]
    assert _told(place, {"throttle": "2 per hour"}, noon, hours) == ALL


CHECKS: dict[str, Callable[[Path], None]] = {
    "no-eof-check": cut_bodies_are_refused,
    "unbounded-decoder": bombs_are_refused,
    "no-redirect-vetting": redirects_lead_nowhere_inside,
    "escape-first": markup_of_feeds_stays_text,
    "lock-off": one_daemon_a_state,
    "trimmed-seen-keys": what_left_the_feed_is_remembered,
    "guid-only-identity": guids_alone_decide_nothing,
    "quiet-hours-drop": quiet_hours_lose_nothing,
    "throttle-drop": throttles_lose_nothing,
}
