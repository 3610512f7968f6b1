"""What the pages are made of: the store, the configuration in force, and how the daemon fares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from monitor.clock import Clock
from monitor.delivery.preflight import WORKSPACE_BLOB
from monitor.store.port import FeedState, Store
from monitor.watching import Watching
from monitor.web.metrics import Metrics

STALLED = 60.0  # seconds without a round of polling after which the daemon is not ready
REMEMBERED = timedelta(seconds=2)  # how long states read from the store are good for
WORKSPACE_REMEMBERED = 60.0  # seconds


@dataclass(slots=True)
class Source:
    """``states`` gives the daemon's own view of its feeds, ``progress`` how often polling and
    delivery came round; both None where the page runs by itself. ``config`` is the file."""

    store: Store
    clock: Clock
    watching: Callable[[], Watching]
    config: Path
    env: Mapping[str, str]
    metrics: Metrics | None = None
    states: Callable[[], Mapping[str, FeedState]] | None = None
    progress: Callable[[], tuple[int, int]] | None = None
    _read: tuple[float, Mapping[str, FeedState]] | None = field(default=None, init=False)
    _round: tuple[int, float] | None = field(default=None, init=False)
    _workspace: tuple[float, str] | None = field(default=None, init=False)

    async def feed_states(self) -> Mapping[str, FeedState]:
        """Return the states of the active feeds by key, at most two seconds old."""
        if self.states is not None:
            return self.states()
        now = self.clock.monotonic()
        if self._read is None or now - self._read[0] > REMEMBERED.total_seconds():
            self._read = (now, await self.store.feed_states())
        return self._read[1]

    def forget(self) -> None:
        """Read the states anew next time."""
        self._read = None

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
