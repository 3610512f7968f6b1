"""How far the daemon's work came, for whoever must know that it moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from monitor.daemon.trouble import Trouble
from monitor.errors import StateError


class Progress:
    """Counts what came to its end. ``deciding`` is set while polls are decided about."""

    def __init__(self) -> None:
        self.deciding = False
        self._steps = 0  # of deciding: entries, polls, batches
        self._finished: Counter[str] = Counter()  # ticks, by name

    def step(self) -> None:
        self._steps += 1

    def rounds(self) -> tuple[int, int]:
        """Return how often polling and delivery came round: both grow while the work moves."""
        return self._finished["poll"], self._finished["deliver"]

    def alive(self) -> tuple[int, int, int]:
        """Return ``rounds`` and how far deciding came, which also grows while it has nothing to
        do. Polls go on for a while when what they bring is no longer decided about."""
        if not self.deciding:
            self.step()
        return *self.rounds(), self._steps

    def counted(
        self, name: str, task: Callable[[], Awaitable[None]], trouble: Trouble
    ) -> Callable[[str], Awaitable[None]]:
        """Return the tick ``name`` as a job whose rounds are counted; a failed store is told to
        ``trouble``."""

        async def run(_key: str) -> None:
            try:
                await task()
            except StateError as error:
                trouble.met(error)
            # A round that met a full disk came round: to start anew would not help it.
            self._finished[name] += 1

        return run
