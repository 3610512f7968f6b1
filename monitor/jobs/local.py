"""The in-process JobQueue: asyncio tasks, and APScheduler for the few ticks."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import datetime, timedelta, tzinfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]
from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped]

from monitor.jobs.port import Task

log = logging.getLogger(__name__)
Job = tuple[str, str]


class _SteadyTime(tzinfo):
    """A zone whose "now" is the event loop's time, which nobody sets.

    APScheduler asks ``datetime.now(timezone)`` when the next round is due. By the wall clock all
    rounds would rest for six hours when that is set back by six.
    """

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta()

    def dst(self, moment: datetime | None) -> timedelta:
        return timedelta()

    def tzname(self, moment: datetime | None) -> str:
        return "steady"

    def fromutc(self, moment: datetime) -> datetime:
        seconds = asyncio.get_running_loop().time()
        return datetime(2000, 1, 1, tzinfo=self) + timedelta(seconds=seconds)


class _Every(BaseTrigger):  # type: ignore[misc]
    """Due again ``interval`` after the last look, so that missed rounds are one."""

    def __init__(self, interval: timedelta) -> None:
        self._interval = interval

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        return now + self._interval


class LocalQueue:
    """Runs each (name, key) at most once at a time, with at most one more waiting behind it.

    ``failures`` counts exceptions by task name, ``runs`` all runs; a failed task is logged and
    never takes the queue down.
    """

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._tasks: dict[str, Task] = {}
        self._running: dict[Job, asyncio.Task[None]] = {}
        self._waiting: dict[Job, None] = {}
        self._scheduler = AsyncIOScheduler(timezone=_SteadyTime())
        self._state = "new"

    def register(self, name: str, task: Task) -> None:
        self._tasks[name] = task

    async def defer(self, name: str, key: str = "") -> bool:
        if name not in self._tasks:
            raise KeyError(f"no task is registered as {name!r}")
        job = (name, key)
        if self._state == "stopped" or job in self._waiting:
            return False
        self._waiting[job] = None
        self._begin(job)
        return True

    def every(self, interval: timedelta, name: str, key: str = "") -> None:
        self._scheduler.add_job(
            self.defer,
            _Every(interval),
            args=(name, key),
            id=f"{name}:{key}",
            replace_existing=True,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )

    async def start(self) -> None:
        self._state = "started"
        self._scheduler.start()
        for job in tuple(self._waiting):
            self._begin(job)

    async def stop(self, grace: timedelta) -> None:
        if self._state == "started":
            self._scheduler.shutdown(wait=False)
        self._state = "stopped"
        self._waiting.clear()
        running = set(self._running.values())
        if running:
            _, late = await asyncio.wait(running, timeout=grace.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _begin(self, job: Job) -> None:
        """Start a waiting job unless one of its kind runs."""
        if self._state == "started" and job in self._waiting and job not in self._running:
            del self._waiting[job]
            self._running[job] = asyncio.create_task(self._run(job), name=":".join(job))

    async def _run(self, job: Job) -> None:
        name, key = job
        self.runs[name] += 1
        try:
            await self._tasks[name](key)
        except asyncio.CancelledError:
            log.info("job cancelled", extra={"job": name, "key": key})
        except Exception:
            self.failures[name] += 1
            log.exception("job failed", extra={"job": name, "key": key})
        finally:
            del self._running[job]
            self._begin(job)
