"""The daemon as one of many on a shared database: all poll, one at a time decides and delivers.

A job wakes a worker for a shard of hosts; it claims the shard's due feeds, fetches and parses them.
What brought nothing to read is stored at once; what did waits in the inbox. The leader, whoever it
is, takes the inbox in turns, makes the rounds and delivers; another worker takes over when it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from monitor.clock import SharedClock
from monitor.cluster.inbox import Inbox
from monitor.cluster.membership import Membership, named, settings_digest
from monitor.cluster.shards import ShardPoller
from monitor.cluster.standing_in import in_place_of_a_leader, take_calls_while
from monitor.daemon.batches import BATCH
from monitor.daemon.daemon import CLAIM, STORE_PAUSE, Daemon
from monitor.errors import AlreadyRunning, ConfigError, StateError
from monitor.jobs.procrastinate import ProcrastinateQueue
from monitor.pipeline.polls import Committed, Polled, log_poll
from monitor.store.port import FeedState
from monitor.store.postgres import PgStore, Turn

log = logging.getLogger(__name__)

CONCURRENCY = 20  # shards at once
BEAT_SECONDS = 2.0  # between looks whether our configuration is in force
STATES_PER_SECOND = 2_000  # how many feed states the leader may read again each second
# Shards that are woken at each look (two a second), the longest overdue first. With few feeds that
# is all of them at once; with many, feeds gather meanwhile, which makes a job worth its price.
WAKE = 12
RENEW_PAUSE = 0.1  # seconds between steps, so that decisions and messages come first
# Documents that may wait to be decided about. Nothing is fetched while there are more: the one who
# decides is behind, and what is read now would only wait.
BACKLOG = 1_000


@dataclass(frozen=True, slots=True)
class Times:
    """After how long what a worker left undone is another's.

    Args:
        claim: for how long a feed is the worker's that polls it.
        stranded: a message that has been ``sending`` for so long may have lost its sender.
        heartbeat: how often a worker says that its jobs are alive.
        silent: a worker not heard of for so long is dead, and its jobs are run again.
    """

    claim: timedelta = CLAIM
    stranded: timedelta = timedelta(seconds=45)
    heartbeat: timedelta = timedelta(seconds=3)
    silent: timedelta = timedelta(seconds=15)


class Worker(Daemon):
    """A daemon that shares its store with others.

    ``concurrency`` is how many shards it polls at once. With ``waits`` it waits for as long as
    another configuration is in force, else it refuses to start.
    """

    def __init__(
        self,
        *,
        store: PgStore,
        clock: SharedClock,
        concurrency: int = CONCURRENCY,
        waits: bool = True,
        times: Times | None = None,
        **parts: Any,
    ) -> None:
        super().__init__(store=store, clock=clock, **parts)
        self._pg = store
        self._times = times or Times()
        self._jobs = ProcrastinateQueue(
            store,
            concurrency=concurrency,
            heartbeat=self._times.heartbeat,
            silent=self._times.silent,
        )
        self._patient = waits
        self._member = Membership(store, clock, settings_digest(self._watching.settings))
        self._announced = self._watching.settings
        self._seat = store.leadership("dispatcher")  # for one cycle, which runs no jobs
        self._shards = ShardPoller(
            store,
            self._fetch_one,
            self._store_unread,
            lambda: self._watching.feeds,
            clock,
            self._times.claim,
        )
        self._led = False
        self._fresh = False  # whether what is in memory is what the store holds
        self._preview_due = False
        self._full = False  # whether too much waits to be decided about
        self._inbox = Inbox(
            store,
            BATCH,
            lambda: self._watching.feeds,
            self._catch_up,
            self._commit_as_stored,
            self._forget,
        )
        self._states_at = self._clock.now()

    # Life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        try:
            await self._join()
            self._jobs.register("poll_shard", self._poll_shard)
            await super().start()
        except BaseException:
            # Else workers with a corrected configuration would wait for us.
            await self._member.farewell()
            raise

    async def _join(self) -> None:
        """Return when our configuration is in force: it is, or nobody lives by another one."""
        while True:
            await self._member.beat(self._metrics())
            if not self._member.waits:
                return
            if not self._patient:
                raise AlreadyRunning(
                    f"{self._pg.pool.where}: another configuration is in force there, by "
                    f"{named(await self._member.others())}; nothing was done. Make the "
                    "configuration files the same, or stop those workers"
                )
            await asyncio.sleep(BEAT_SECONDS)
            try:
                fresh = await asyncio.to_thread(self._reload)
            except ConfigError as error:
                log.error("configuration refused", extra={"reason": str(error)})
                continue
            if fresh is not None:
                await self._rewire(fresh)
                self._watching = fresh
                await self._member.announce(settings_digest(fresh.settings))
                return

    async def run(self) -> None:
        keeper = asyncio.create_task(self._shards.keep_forever(), name="keep polls")
        try:
            await self._start_jobs()
            await super().run()
        finally:
            await _ended(keeper)
            await self._jobs.stop(timedelta())
            await self._member.farewell()

    async def _start_jobs(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._jobs.start()
                return
            except StateError as error:
                log.error("jobs can't be started; it is tried again", extra={"reason": str(error)})
                await asyncio.sleep(STORE_PAUSE)

    async def once(self, due_only: bool) -> int:
        try:
            return await super().once(due_only)
        finally:
            await self._seat.release()
            await self._member.farewell()

    async def _recover(self) -> int:
        return 0  # the leader does, when it takes the lead: it is who looks for what is unclear

    async def _deliver_all(self) -> None:
        async with in_place_of_a_leader(self._pg, self._seat, self._clock) as ours:
            if ours:
                await self._deliverer.recover()
                await super()._deliver_all()

    async def _take_calls(
        self,
        callback: Callable[[], AbstractAsyncContextManager[str]],
        serving: contextlib.AsyncExitStack,
    ) -> None:
        """Take WebSub hubs' calls while we lead: of the others, none could know which
        subscriptions there are, and on one machine there is one such address."""
        taking = take_calls_while(lambda: self._jobs.leads, callback)
        task = asyncio.create_task(taking, name="websub")
        serving.push_async_callback(_ended, task)

    async def _drain(self, decider: asyncio.Task[None]) -> None:
        await self._jobs.stop(timedelta(seconds=3))
        await self._shards.drain()
        await super()._drain(decider)

    def _ticks(self) -> tuple[tuple[str, Callable[[], Awaitable[None]], float], ...]:
        ours: dict[str, Callable[[], Awaitable[None]]] = {"poll": self._careful(self._dispatch)}
        for name, work, _ in super()._ticks():
            if name in ("baseline", "rounds", "ops"):
                ours[name] = self._leading(self._in_turn(work))
            elif name in ("deliver", "prune"):
                ours[name] = self._leading(work)
        ticks = tuple(
            (name, ours.get(name) or self._careful(work), each)
            for name, work, each in super()._ticks()
        )
        return (
            *ticks,
            ("beat", self._beat, BEAT_SECONDS),
            ("lead", self._leading(self._lead), 5.0),
            ("decide", self._leading(self._decide_inbox), 0.2),
            ("tokens", self._leading(self._renew_tokens), 5.0),
        )

    # Among others -------------------------------------------------------------------------------

    async def _check_reload(self) -> None:
        await super()._check_reload()
        settings = self._watching.settings
        if settings is not self._announced:
            digest = await asyncio.to_thread(settings_digest, settings)
            if digest != self._member.digest:
                await self._member.announce(digest)
            self._announced = settings

    async def _beat(self) -> None:
        """Say that we live, and stand aside where another configuration is in force."""
        try:
            if await self._member.beat(self._metrics()):
                log.warning("nobody lives by the other configuration any more: ours is in force")
                feeds = list(self._watching.feeds.values())
                self._states = dict(await self._pg.sync_feeds(feeds, self._clock.now()))
        except StateError as error:
            self.trouble.met(error)
            return
        self.trouble.over()
        self._jobs.may_lead = not self._member.waits

    def _metrics(self) -> dict[str, object]:
        return {
            "leads": self._jobs.leads,
            "polls": self._shards.polls,
            "fetching": self._shards.fetching,
            "jobs": dict(self._jobs.runs),
            "jobs_failed": dict(self._jobs.failures),
            "jobs_recovered": self._jobs.recovered,
        }

    def _acts(self) -> bool:
        return self._jobs.leads and not self._member.waits

    # Polling: all workers -----------------------------------------------------------------------

    async def _dispatch(self) -> None:
        """Wake workers for the shards that have a feed due (the leader does)."""
        if not self._acts() or await self._too_much_waits():
            return
        now = self._clock.now()
        await self._follow_the_clock(now)
        shards = [str(shard) for shard in await self._pg.due_shards(now)]
        await self._jobs.defer_many("poll_shard", shards, WAKE)

    async def _too_much_waits(self) -> bool:
        waiting = await self._pg.inbox_waiting(BACKLOG)
        if self._full != (waiting >= BACKLOG):
            self._full = not self._full
            words = "waits for decisions" if self._full else "goes on"
            log.warning(f"polling {words}", extra={"undecided": waiting})
        return self._full

    async def _poll_shard(self, key: str) -> None:
        if self._member.waits or self._stopping.is_set():
            return
        try:
            if await self._shards.poll(int(key)) and not await self._too_much_waits():
                await self._jobs.defer("poll_shard", key)
        except StateError as error:
            self.trouble.met(error)  # their claims end, and they are polled again

    async def _store_unread(self, polls: Sequence[Polled]) -> None:
        states = await self._require_pipeline().commit_unread(polls)
        for polled, state in zip(polls, states, strict=True):
            log_poll(polled, state)
        if self.observer is not None:
            self.observer.committed(polls, Committed(states, 0, 0, 0))

    # Deciding and delivering: the leader --------------------------------------------------------

    def _careful(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            try:
                await work()
            except StateError as error:
                self._fresh = False
                self.trouble.met(error)

        return run

    def _leading(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            if self._acts():
                await work()
            else:
                self._led = False

        return self._careful(run)

    def _in_turn(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            async with self._pg.turn() as turn:
                await self._catch_up(turn)
                await work()

        return run

    async def _catch_up(self, turn: Turn) -> None:
        """Load anew what is in memory, unless it is what the store holds."""
        if turn.stale or not self._fresh:
            await self._reload_index()
            self._fresh = True

    async def _lead(self) -> None:
        """Take over what a leader before us left, and keep an eye on the whole."""
        now = self._clock.now()
        if not self._led:
            self._led = True
            await self._deliverer.recover()
        stuck = [
            row
            for row in await self._pg.outbox_rows(["sending"])
            if row.last_try is not None and row.last_try < now - self._times.stranded
        ]
        if stuck:
            await self._deliverer.recover()
        if now - self._states_at > timedelta(seconds=len(self._states) / STATES_PER_SECOND):
            self._states, self._states_at = dict(await self._pg.feed_states()), now
        if self._preview_due:
            self._preview_due = False
            await self._in_turn(super()._preview)()

    async def _renew_tokens(self) -> None:
        """Make the text index fit our tokeniser, a little at a time."""
        while self._acts() and not self._stopping.is_set():
            if not await self._pg.renew_tokens():
                return
            await asyncio.sleep(RENEW_PAUSE)

    async def _preview(self) -> None:
        self._preview_due = True

    async def _decide_inbox(self) -> None:
        """Decide about what was read, until nothing is left."""
        await self._inbox.empty(lambda: self._jobs.leads and not self._stopping.is_set())

    def _forget(self) -> None:
        self._fresh = False

    async def _commit(self, batch: Sequence[Polled]) -> int:
        async with self._pg.turn() as turn:
            await self._catch_up(turn)
            return await self._commit_as_stored(batch)

    async def _commit_as_stored(self, batch: Sequence[Polled]) -> int:
        """Decide about polls by what is known of their feeds now.

        Their states are of the time when they were claimed. Another poll may have been decided
        since: what that one baselined would be the past once more, with what came after it.
        """
        now = await self._pg.feed_states_of([polled.state.id for polled in batch])
        stored: list[FeedState] = [now.get(p.state.id, p.state) for p in batch]
        return await super()._commit(
            [replace(polled, state=state) for polled, state in zip(batch, stored, strict=True)]
        )

    async def _reload_index(self) -> None:
        self._fresh = False
        await super()._reload_index()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
