"""Documents that wait to be decided about: one that can't be stored keeps no other waiting."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from monitor.cluster.handover import to_payload
from monitor.cluster.inbox import Inbox
from monitor.errors import StateError
from monitor.pipeline.polls import Polled
from monitor.sources.outcome import FetchOutcome
from monitor.store.postgres import PgStore, Refused, Turn, open_postgres
from monitor.values import ParsedFeed
from tests.contract.samples import DAY, NOW, feed, tokenize

pytestmark = pytest.mark.anyio
NAMES = [f"f{number}" for number in range(7)]
POISON = "f3"


class Decider:
    """Decides about everything but a poisoned feed; ``log`` is what happened."""

    def __init__(self, store: PgStore) -> None:
        self.log: list[str] = []
        self.lost = False  # whether the database is
        self.feeds = {feed(name).key: feed(name) for name in NAMES}
        self.inbox = Inbox(store, 5, lambda: self.feeds, self._catch_up, self._decide, self._forget)

    async def _catch_up(self, _: Turn) -> None:
        self.log.append("caught up")

    async def _decide(self, batch: Sequence[Polled]) -> int:
        if self.lost:
            raise StateError("the database did not answer in time")
        names = [polled.feed.name for polled in batch]
        if POISON in names:
            raise Refused("the database refused (no such byte)")
        self.log.append(" ".join(names))
        return 0

    def _forget(self) -> None:
        self.log.append("forgot")


async def fill(store: PgStore) -> None:
    states = await store.sync_feeds([feed(name) for name in NAMES], NOW)
    for name in NAMES:
        state = states[feed(name).key]
        polled = Polled(feed(name), state, FetchOutcome(status="ok", url=state.key), ParsedFeed())
        await store.inbox_put([to_payload(polled)], [state.id], NOW + DAY)


async def test_what_the_store_refuses_is_left_out_alone(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = await open_postgres(database, tokenize=tokenize)
    try:
        await fill(store)
        await store.inbox_put([b"of another version"], [], NOW + DAY)
        decider = Decider(store)
        del decider.feeds[feed("f5").key]  # its feed has left the configuration
        await decider.inbox.empty(lambda: True)
        decided = [each for each in decider.log if each.startswith("f") and each != "forgot"]
        assert " ".join(decided).split() == ["f0", "f1", "f2", "f4", "f6"]
        assert decider.log.count("forgot") == 2
        assert await store.inbox_waiting(10) == 0
        said = [record.message for record in caplog.records]
        assert said.count("a poll can't be stored; left out") == 1
        assert said.count("inbox: unreadable, left to the next poll") == 1
    finally:
        await store.close()


async def test_nothing_is_taken_that_is_not_decided(database: str) -> None:
    store = await open_postgres(database, tokenize=tokenize)
    try:
        await fill(store)
        decider = Decider(store)
        decider.lost = True
        with pytest.raises(StateError, match="in time"):
            await decider.inbox.empty(lambda: True)
        assert await store.inbox_waiting(10) == len(NAMES)
        await decider.inbox.empty(lambda: False)
        assert await store.inbox_waiting(10) == len(NAMES)
    finally:
        await store.close()
