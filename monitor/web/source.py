"""What the pages are made of: the store, the configuration in force, and how the daemon fares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from monitor.clock import Clock
from monitor.delivery.preflight import WORKSPACE_BLOB
from monitor.errors import StateError
from monitor.store.port import FeedState, Store
from monitor.watching import Watching
from monitor.web.metrics import Metrics

FOLLOWED = 60.0  # seconds after the last look for which states are read again and again
STALLED = 60.0  # seconds without a round of polling after which the daemon is not ready
REREAD = 2.0  # seconds between two readings of the states that changed, while somebody looks
ANEW = 300.0  # seconds after which all of them are read
LATE = timedelta(seconds=30)  # how long after a poll's time its state may be stored
WORKSPACE_REMEMBERED = 60.0  # seconds


@dataclass(slots=True)
class Source:
    """``states`` gives the daemon's own view of its feeds, ``progress`` how often polling and
    delivery came round; both None where the page runs by itself. ``trouble`` says why nothing can
    be stored, if so. ``config`` is the file."""

    store: Store
    clock: Clock
    watching: Callable[[], Watching]
    config: Path
    env: Mapping[str, str]
    metrics: Metrics | None = None
    states: Callable[[], Mapping[str, FeedState]] | None = None
    progress: Callable[[], tuple[int, int]] | None = None
    trouble: Callable[[], str] = str
    _states: dict[str, FeedState] | None = field(default=None, init=False)
    _asked: float = field(default=0.0, init=False)
    _following: asyncio.Task[None] | None = field(default=None, init=False)
    _round: tuple[int, float] | None = field(default=None, init=False)
    _workspace: tuple[float, str] | None = field(default=None, init=False)

    async def feed_states(self) -> Mapping[str, FeedState]:
        """Return the states of the active feeds by key.

        Beside the daemon they are read from the store, some seconds old at most. Ten thousand take
        a fifth of a second: what changes is read aside for as long as somebody looks.
        """
        if self.states is not None:
            return self.states()
        self._asked = self.clock.monotonic()
        if self._states is None or self._following is None or self._following.done():
            self._states = dict(await self.store.feed_states())
            self._following = asyncio.create_task(self._follow(), name="feed states")
        return self._states

    async def _follow(self) -> None:
        began = self.clock.monotonic()
        while (at := self.clock.monotonic()) - self._asked < FOLLOWED and at - began < ANEW:
            since = self.clock.now() - LATE
            await asyncio.sleep(REREAD)
            try:
                fresh = await self.store.feed_states(since)
            except StateError:
                return  # the next who asks is told
            if self._states is not None:
                self._states |= fresh

    async def forget(self) -> None:
        """Read the states anew: one has been changed."""
        if self.states is None:
            self._states = dict(await self.store.feed_states())

    def close(self) -> None:
        """End the reading."""
        if self._following is not None:
            self._following.cancel()

    async def workspace(self) -> str:
        """Return the Slack workspace's address as the daemon was told it, "" while it isn't known;
        at most a minute old."""
        now = self.clock.monotonic()
        if self._workspace is None or now - self._workspace[0] > WORKSPACE_REMEMBERED:
            value = await self.store.blob(WORKSPACE_BLOB)
            self._workspace = (now, value.decode() if value else "")
        return self._workspace[1]

    def stalled(self) -> float:
        """Return for how many seconds polling has not come round, as far as was looked at."""
        if self.progress is None:
            return 0.0
        polls, now = self.progress()[0], self.clock.monotonic()
        if self._round is None or self._round[0] != polls:
            self._round = (polls, now)
        return now - self._round[1]
