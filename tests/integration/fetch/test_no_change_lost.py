"""Feeds that change while everything is slow, the store fails now and then: nothing is missed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import cast

import pytest

from monitor.daemon import daemon as daemon_module
from monitor.daemon.assembly import assembled
from monitor.daemon.daemon import Daemon
from monitor.errors import StateError
from monitor.sources.fetch import Fetcher
from monitor.sources.outcome import FetchOutcome
from monitor.store.port import PollCommit, Validators
from monitor.store.sqlite import SqliteStore
from monitor.values import Feed

FEEDS = 30
ROUNDS = 8
_NONE = Validators()
ITEM = "<item><guid>{0}</guid><title>Report number {0} of this feed</title></item>"


class Slow(Fetcher):
    """Feeds with a version each, which is their ETag; every answer takes its own time."""

    def __init__(self, dice: Random) -> None:
        self.versions: dict[str, int] = {}
        self._dice = dice

    async def fetch(
        self, feed: Feed, validators: Validators = _NONE, *, url: str | None = None
    ) -> FetchOutcome:
        version = self.versions.setdefault(feed.key, 1)
        await asyncio.sleep(self._dice.expovariate(50))
        if validators.etag == str(version):
            return FetchOutcome("not_modified", feed.url, validators=validators, http_status=304)
        items = "".join(ITEM.format(number) for number in range(version, 0, -1))
        body = f"<rss version='2.0'><channel><title>F</title>{items}</channel></rss>".encode()
        fresh = Validators(etag=str(version), body_hash=str(version).encode())
        await asyncio.sleep(self._dice.expovariate(50))
        return FetchOutcome("ok", feed.url, body=body, validators=fresh, http_status=200)


async def polled(daemon: Daemon, store: SqliteStore, since: datetime) -> None:
    """Wait until every feed was polled since then, and none is under way."""
    while True:
        states = (await store.feed_states()).values()
        late = [each for each in states if each.last_poll_at is None or each.last_poll_at < since]
        if not late and not daemon._polls and not daemon._batches.undecided:
            return
        now = datetime.now(UTC)
        for each in late:  # a claim whose poll was lost to the store is 40 s long
            if each.key not in daemon._polls and each.key not in daemon._batches.undecided:
                await store.make_due(each.key, now)
        await asyncio.sleep(0.05)


def test_every_change_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_module, "STORE_PAUSE", 0.05)
    feeds = "\n".join(f"  - {{url: 'https://f{n}.example/rss', every: 24h}}" for n in range(FEEDS))
    config = tmp_path / "config.yaml"
    config.write_text(f"state: ./state\nrules: [{{name: R, any: [volcano]}}]\nfeeds:\n{feeds}\n")
    dice = Random(5)
    slow = Slow(dice)
    failures: list[int] = []

    async def main() -> Sequence[tuple[str, str]]:
        async with assembled(config, {}) as daemon:
            daemon.use_fetcher(slow)
            store = cast(SqliteStore, daemon._store)
            commit = store.commit_polls

            async def failing(polls: Sequence[PollCommit]) -> None:
                await asyncio.sleep(dice.expovariate(100))
                if dice.random() < 0.1:
                    failures.append(len(polls))
                    raise StateError("the disk is away for a moment")
                await commit(polls)

            store.commit_polls = failing  # type: ignore[method-assign]
            running = asyncio.create_task(daemon.run())
            for _ in range(ROUNDS):
                since = datetime.now(UTC)
                for key in list(await store.feed_states()):
                    if dice.random() < 0.5 and key in slow.versions:
                        slow.versions[key] += dice.randint(1, 3)
                    await store.make_due(key, since)
                await polled(daemon, store, since)
            daemon.stop()
            await running
            found = await store.entries_since(since - timedelta(days=1))
            return [(each.feed_key, each.entry.entry.raw_id or "") for each in found]

    found = asyncio.run(main())
    wanted = {
        (key, str(number))
        for key, version in slow.versions.items()
        for number in range(1, version + 1)
    }
    assert len(slow.versions) == FEEDS
    assert failures, "the store never failed: nothing was tried"
    assert sorted(found) == sorted(wanted)
