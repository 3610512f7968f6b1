"""The JobQueue port: wake-up hints for work whose truth lies in the Store.

A lost or doubled job costs a late or wasted look, never an alert. Two adapters implement it
(in-process with APScheduler, PostgreSQL with Procrastinate) and pass one contract suite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

Task = Callable[[str], Awaitable[None]]


class JobQueue(Protocol):
    """Runs named tasks, each key of a task at most once at a time.

    A task's exception is logged and counted, never fatal: ``failures`` by task name, ``runs`` all.
    """

    runs: Counter[str]
    failures: Counter[str]

    def register(self, name: str, task: Task) -> None:
        """Make ``task`` known under ``name``; it is called with the job's key."""

    async def defer(self, name: str, key: str = "") -> bool:
        """Ask for ``task(key)`` soon. Returns False when such a job waits already (it is not
        doubled); a job that is *running* doesn't stop another from waiting behind it. Raises
        ``KeyError`` for a name that isn't registered."""

    def every(self, interval: timedelta, name: str, key: str = "") -> None:
        """Defer ``name`` again and again; missed rounds are run once (coalesced)."""

    async def start(self) -> None: ...

    async def stop(self, grace: timedelta) -> None:
        """Take no new jobs, let the running ones finish for ``grace``, then cancel them."""
