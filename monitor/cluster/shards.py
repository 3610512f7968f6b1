"""Polling shards of hosts for a cluster: claim what is due, fetch it, and keep what came.

What brought nothing to read is stored as it is; what did is handed over to who decides. Both are
gathered over all shards, so that many polls share a transaction.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from monitor.clock import Clock
from monitor.cluster.handover import to_payload
from monitor.errors import StateError
from monitor.pipeline.polls import Polled
from monitor.sources.guard import is_near
from monitor.sources.slots import SlotLimits
from monitor.store.port import FeedState
from monitor.store.postgres import PgStore
from monitor.values import Feed

log = logging.getLogger(__name__)

AT_ONCE = 600  # fetches; the fetcher's slots decide how many really run
BATCH = 40  # feeds of one shard in one job; a shard with more is asked for again
# Seconds that a job waits for its feeds. Longer than the fetcher holds a slot for one that hangs:
# those that are left hold nothing and nobody up, and the next job may take the shard.
PATIENCE = 4.0
READ_EACH = 0.1  # seconds in which finished polls gather for one transaction
UNREAD_EACH = 1.0  # the same where nothing new came, so that nobody waits for it
UNREAD_TOGETHER = 200
# For so long a feed isn't polled again whose document waits to be decided about.
UNDECIDED = timedelta(minutes=10)


class ShardPoller:
    """Polls one shard after the other, several at once.

    Args:
        fetch: polls one feed.
        store_unread: stores polls that brought nothing to read.
        feeds: the feeds in force, by key.
        claim: for how long a feed is ours that we poll.
    """

    def __init__(
        self,
        store: PgStore,
        fetch: Callable[[FeedState], Awaitable[Polled]],
        store_unread: Callable[[Sequence[Polled]], Awaitable[None]],
        feeds: Callable[[], Mapping[str, Feed]],
        clock: Clock,
        claim: timedelta,
    ) -> None:
        self.polls = 0
        self._store = store
        self._fetch = fetch
        self._store_unread = store_unread
        self._feeds = feeds
        self._clock = clock
        self._claim = claim
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._fetching: set[asyncio.Task[None]] = set()
        self._read: list[Polled] = []
        self._unread: list[Polled] = []

    @property
    def fetching(self) -> int:
        """How many feeds are claimed and not yet answered."""
        return len(self._fetching)

    async def poll(self, shard: int) -> bool:
        """Poll what is due of a shard; return whether there may be more.

        Ends when all that don't hang have answered, and not before its hosts' share of requests
        has come: whoever polls them next, on whatever machine, begins with a full share.

        Raises:
            StateError: nothing could be claimed.
        """
        loop = asyncio.get_running_loop()
        began, now = loop.time(), self._clock.now()
        states = await self._store.due(now, BATCH, now + self._claim, shard)
        feeds = self._feeds()
        known = [state for state in states if state.key in feeds]
        tasks = {asyncio.create_task(self._poll(state)) for state in known}
        for task in tasks:
            self._fetching.add(task)
            task.add_done_callback(self._fetching.discard)
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)
        await asyncio.sleep(began + _share([feeds[state.key].url for state in known]) - loop.time())
        return len(states) == BATCH

    async def _poll(self, state: FeedState) -> None:
        async with self._slots:
            try:
                polled = await self._fetch(state)
            except Exception:
                # A fault of ours in one feed must not end the others; its claim polls it again.
                log.exception("poll failed unexpectedly", extra={"feed": state.key})
                return
        self.polls += 1
        (self._unread if polled.parsed is None else self._read).append(polled)

    async def keep_forever(self) -> None:
        """Store what has gathered, again and again; what can't be stored is polled again."""
        rounds = 0
        each = round(UNREAD_EACH / READ_EACH)
        while True:
            await asyncio.sleep(READ_EACH)
            rounds += 1
            if self._read or rounds % each == 0 or len(self._unread) >= UNREAD_TOGETHER:
                await self._keep()

    async def _keep(self) -> None:
        read, self._read = self._read, []
        unread, self._unread = self._unread, []
        try:
            if read:
                payloads = [to_payload(polled) for polled in read]
                until = self._clock.now() + UNDECIDED
                await self._store.inbox_put(payloads, [p.state.id for p in read], until)
            if unread:
                await self._store_unread(unread)
        except StateError as error:
            log.error("store failed; polls will be repeated", extra={"reason": str(error)})

    async def drain(self) -> None:
        """Break off what is being fetched, and store what has come."""
        for task in tuple(self._fetching):
            task.cancel()
        await asyncio.gather(*self._fetching, return_exceptions=True)
        await self._keep()


def _share(urls: Sequence[str]) -> float:
    """Return the seconds in which the hosts of ``urls`` may be asked so often."""
    hosts = Counter(urlsplit(url).hostname or "" for url in urls if "//" in url)
    most = max((n for host, n in hosts.items() if not is_near(host)), default=0)
    return most / SlotLimits().per_second
