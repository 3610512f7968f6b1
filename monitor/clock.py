"""The one clock. Passed to whatever needs the time, so that tests can set it."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

log = logging.getLogger(__name__)
# A difference that matters to nothing here: machines whose clocks are kept differ by less.
CLOSE = timedelta(seconds=1)


class Clock(Protocol):
    """Tells wall time (UTC, aware) and monotonic seconds."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class SharedClock:
    """A clock that several machines go by: the machine's own, put right by somebody else's."""

    def __init__(self, own: Clock) -> None:
        self.skew = timedelta()  # how far theirs is ahead of our own
        self._own = own

    def now(self) -> datetime:
        return self._own.now() + self.skew

    def monotonic(self) -> float:
        return self._own.monotonic()

    async def follow(self, ask: Callable[[], Awaitable[datetime]]) -> None:
        """Take over what ``ask`` tells, unless we are close to it already.

        The answer is taken for that of half its way; how long it took is how wrong that may be.
        """
        before = self._own.now()
        theirs = await ask()
        after = self._own.now()
        way = abs(after - before)
        skew = theirs - (before + way / 2)
        if abs(skew - self.skew) <= CLOSE + way / 2:
            return
        self.skew = skew if abs(skew) > CLOSE else timedelta()
        log.warning(
            "this machine's clock differs from the database server's, which is gone by",
            extra={"seconds": round(skew.total_seconds(), 1)},
        )
