"""The daemon as one of many on a shared database: all poll, one at a time decides and delivers.

A job wakes a worker for a shard of hosts; it claims the shard's due feeds, fetches and parses them.
What brought nothing to read is stored at once; what did waits in the inbox. The leader, whoever it
is, takes the inbox in turns, makes the rounds and delivers; another worker takes over when it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import socket
import zlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from monitor.config.models import Settings
from monitor.daemon import BATCH, CLAIM, IN_FLIGHT, Daemon
from monitor.errors import StateError, UsageError
from monitor.ids import new_id
from monitor.jobs.procrastinate import ProcrastinateQueue
from monitor.once import PATIENCE
from monitor.polls import Polled
from monitor.sources.fetch import FetchOutcome
from monitor.store.port import FeedState
from monitor.store.postgres import PgStore, cluster
from monitor.values import ParsedFeed

log = logging.getLogger(__name__)

CONCURRENCY = 8  # shards at once
SHARD_BATCH = 40  # feeds of one shard in one job; a shard with more is asked for again
STORE_AT_ONCE = 0.05  # seconds in which finished polls gather for one commit
WAIT_SECONDS = 2.0  # between looks whether our configuration is in force
SKEW = timedelta(seconds=5)  # a clock further off than this is warned of
ONCE_PAUSE = 0.5  # seconds between looks whether another leader still delivers
CALLS_PAUSE = 1.0  # seconds between looks whether we are the one that takes hubs' calls
STATES_PER_SECOND = 2_000  # how many feed states the leader may read again each second

_READ: TypeAdapter[tuple[FeedState, FetchOutcome, ParsedFeed]] = TypeAdapter(
    tuple[FeedState, FetchOutcome, ParsedFeed],
    config=ConfigDict(ser_json_bytes="base64", val_json_bytes="base64"),
)


def settings_digest(settings: Settings) -> str:
    """Return a digest of what a configuration says.

    Secrets play no part, nor does the database's address: a machine may know it by another name.
    """
    return hashlib.sha256(settings.model_dump_json(exclude={"state"}).encode()).hexdigest()


def to_payload(polled: Polled) -> bytes:
    """Return a parsed poll as bytes for the inbox; the body itself is no longer needed."""
    assert polled.parsed is not None
    outcome = FetchOutcome(
        **{
            name: getattr(polled.outcome, name)
            for name in FetchOutcome.__dataclass_fields__
            if name != "body"
        }
    )
    return zlib.compress(_READ.dump_json((polled.state, outcome, polled.parsed)), 1)


def from_payload(payload: bytes) -> tuple[FeedState, FetchOutcome, ParsedFeed]:
    """Return what ``to_payload`` wrote; raises ``ValueError`` for what another version wrote."""
    try:
        return _READ.validate_json(zlib.decompress(payload))
    except zlib.error as error:
        raise ValueError(str(error)) from error


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


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
    """A daemon that shares its store with others. ``concurrency`` is how many shards at once."""

    def __init__(
        self,
        *,
        store: PgStore,
        concurrency: int = CONCURRENCY,
        times: Times | None = None,
        **parts: Any,
    ) -> None:
        super().__init__(store=store, **parts)
        self._pg = store
        self._times = times or Times()
        self._jobs = ProcrastinateQueue(
            store,
            concurrency=concurrency,
            heartbeat=self._times.heartbeat,
            silent=self._times.silent,
        )
        self._id = new_id(self._clock.now())
        self._began = self._clock.now()
        self._digest = settings_digest(self._watching.settings)
        self._seat = store.leadership("dispatcher")  # for one cycle, which runs no jobs
        self._fetching = asyncio.Semaphore(IN_FLIGHT)
        self._led = False
        self._fresh = False  # whether what is in memory is what the store holds
        self._preview_due = False
        self._waits = False
        self._polls_made = 0
        self._states_at = self._clock.now()

    # Life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        skew = self._clock.now() - await cluster.server_now(self._pg.pool)
        if abs(skew) > SKEW:
            log.warning(
                "this machine's clock differs from the database server's",
                extra={"seconds": round(skew.total_seconds(), 1)},
            )
        try:
            await self._wait_for_configuration()
            self._jobs.register("poll_shard", self._poll_shard)
            await super().start()
        except BaseException:
            # Else workers with a corrected configuration would wait for us.
            await self._farewell()
            raise

    async def run(self) -> None:
        try:
            await self._jobs.start()
            await super().run()
        finally:
            await self._jobs.stop(timedelta())
            await self._farewell()

    async def once(self, due_only: bool) -> int:
        try:
            return await super().once(due_only)
        finally:
            await self._seat.release()
            await self._farewell()

    async def _deliver_all(self) -> None:
        """Deliver in the place of a leader; where there is one, leave it to that one.

        Returns when nothing is due any more, or patience ends: a leader that has just gone may
        have left something.
        """
        end = self._clock.monotonic() + PATIENCE
        waited = False
        while not await self._seat.hold():
            waited = True
            due = await self._pg.outbox_next()
            if due is None or due > self._clock.now() or self._clock.monotonic() > end:
                log.info("messages are left to the cluster's leader")
                return
            await asyncio.sleep(ONCE_PAUSE)
        if waited:  # what the leader before us was sending when it died is nobody's now
            await self._deliverer.recover()
        await super()._deliver_all()

    async def _farewell(self) -> None:
        try:
            await cluster.farewell(self._pg.pool, self._id)
        except StateError as error:
            log.warning("left without a word", extra={"reason": str(error)})

    async def _take_calls(
        self,
        callback: Callable[[], AbstractAsyncContextManager[str]],
        serving: contextlib.AsyncExitStack,
    ) -> None:
        """Take WebSub hubs' calls while we lead: of the others, none could know which
        subscriptions there are, and on one machine there is one such address."""
        task = asyncio.create_task(self._take_calls_while_leading(callback), name="websub")
        serving.push_async_callback(_ended, task)

    async def _take_calls_while_leading(
        self, callback: Callable[[], AbstractAsyncContextManager[str]]
    ) -> None:
        told = False
        while True:
            if self._jobs.leads:
                try:
                    async with callback() as listen:
                        log.info("taking WebSub hubs' calls", extra={"listen": listen})
                        told = False
                        while self._jobs.leads:  # noqa: ASYNC110 - it has no event
                            await asyncio.sleep(CALLS_PAUSE)
                    log.info("hubs' calls are left to the worker that leads now")
                except (UsageError, StateError) as error:
                    if not told:
                        log.warning(
                            "hubs' calls aren't taken; it is tried again, and feeds are polled",
                            extra={"reason": str(error)},
                        )
                    told = True
            await asyncio.sleep(CALLS_PAUSE)

    async def _drain(self, decider: asyncio.Task[None]) -> None:
        await self._jobs.stop(timedelta(seconds=3))
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
            ("beat", self._beat, WAIT_SECONDS),
            ("lead", self._leading(self._lead), 5.0),
            ("decide", self._leading(self._decide_inbox), 0.2),
        )

    # Configuration ------------------------------------------------------------------------------

    async def _wait_for_configuration(self) -> None:
        """Return when our configuration is in force: it is, or nobody lives by another one."""
        while True:
            await self._say_alive()
            in_force = await cluster.in_force(self._pg.pool)
            others = [
                each
                for each in await cluster.workers(self._pg.pool)
                if each.alive and each.config_hash == in_force and each.id != self._id
            ]
            if in_force in (None, self._digest) or not others:
                break
            self._tell_waiting(in_force, len(others))
            await asyncio.sleep(WAIT_SECONDS)
            if (fresh := await asyncio.to_thread(self._reload)) is not None:
                await self._rewire(fresh)
                self._watching = fresh
                self._digest = settings_digest(fresh.settings)
                break
        await self._put_in_force()

    async def _put_in_force(self) -> None:
        await cluster.announce(self._pg.pool, self._digest, self._id)
        self._pg.config_hash = self._digest
        self._waits = False

    def _tell_waiting(self, in_force: str | None, others: int) -> None:
        if not self._waits:
            log.warning(
                "another configuration is in force: this worker waits until its own file is the "
                "same, or the others have ended",
                extra={"ours": self._digest[:12], "theirs": (in_force or "")[:12], "by": others},
            )
        self._waits = True

    async def _check_reload(self) -> None:
        await super()._check_reload()
        digest = settings_digest(self._watching.settings)
        if digest != self._digest:
            self._digest = digest
            await self._put_in_force()

    async def _beat(self) -> None:
        """Say that we live, and stand aside where another configuration is in force."""
        try:
            await self._say_alive()
            in_force = await cluster.in_force(self._pg.pool)
        except StateError as error:
            log.warning("the database is out of reach", extra={"reason": str(error)})
            return
        if in_force == self._digest:
            self._waits = False
        else:
            self._tell_waiting(in_force, 1)
        self._jobs.may_lead = not self._waits

    async def _say_alive(self) -> None:
        await cluster.beat(
            self._pg.pool,
            self._id,
            socket.gethostname(),
            os.getpid(),
            self._digest,
            self._began,
            {
                "leads": self._jobs.leads,
                "waits": self._waits,
                "polls": self._polls_made,
                "fetching": IN_FLIGHT - self._fetching._value,
                "jobs": dict(self._jobs.runs),
                "jobs_failed": dict(self._jobs.failures),
                "jobs_recovered": self._jobs.recovered,
            },
        )

    # Polling: all workers -----------------------------------------------------------------------

    async def _dispatch(self) -> None:
        """Wake workers for the shards that have a feed due (the leader does)."""
        if self._jobs.leads and not self._waits:
            shards = await self._pg.due_shards(self._clock.now())
            await self._jobs.defer_many("poll_shard", [str(shard) for shard in shards])

    async def _poll_shard(self, key: str) -> None:
        if self._waits or self._stopping.is_set():
            return
        try:
            await self._poll_due_of(int(key))
        except StateError as error:
            # Their claims end, and they are polled again.
            log.error("store failed; polls will be repeated", extra={"reason": str(error)})

    async def _poll_due_of(self, shard: int) -> None:
        now = self._clock.now()
        states = await self._pg.due(now, SHARD_BATCH, now + self._times.claim, shard)
        known = [state for state in states if state.key in self._watching.feeds]
        pending = {asyncio.create_task(self._fetch_safely(state)) for state in known}
        try:
            while pending:
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(STORE_AT_ONCE)
                done = {task for task in pending if task.done()}
                pending -= done
                await self._keep([task.result() for task in done])
        finally:
            for task in pending:
                task.cancel()
        if len(states) == SHARD_BATCH:
            await self._jobs.defer("poll_shard", str(shard))

    async def _fetch_safely(self, state: FeedState) -> Polled | None:
        async with self._fetching:
            try:
                return await self._fetch_one(state)
            except Exception:
                # A fault of ours in one feed must not end the others; its claim polls it again.
                log.exception("poll failed unexpectedly", extra={"feed": state.key})
                return None

    async def _keep(self, finished: Sequence[Polled | None]) -> None:
        """Store polls that brought nothing to read, and put the others in the inbox."""
        polls = [polled for polled in finished if polled is not None]
        self._polls_made += len(polls)
        if unread := [polled for polled in polls if polled.parsed is None]:
            await self._require_pipeline().commit_unread(unread)
        if read := [polled for polled in polls if polled.parsed is not None]:
            await self._pg.inbox_put([to_payload(polled) for polled in read])

    # Deciding and delivering: the leader --------------------------------------------------------

    def _careful(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            try:
                await work()
            except StateError as error:
                self._fresh = False
                log.error("store failed; it is tried again", extra={"reason": str(error)})

        return run

    def _leading(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            if self._jobs.leads and not self._waits:
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

    async def _catch_up(self, turn: cluster.Turn) -> None:
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

    async def _preview(self) -> None:
        self._preview_due = True

    async def _decide_inbox(self) -> None:
        while self._jobs.leads and not self._stopping.is_set():
            async with self._pg.turn() as turn:
                await self._catch_up(turn)
                waiting = await self._pg.inbox_take(BATCH)
                if not waiting:
                    return
                if batch := self._readable([payload for _, payload in waiting]):
                    await super()._commit(batch)
                await self._pg.inbox_remove([number for number, _ in waiting])

    def _readable(self, payloads: Sequence[bytes]) -> list[Polled]:
        batch = []
        for payload in payloads:
            try:
                state, outcome, parsed = from_payload(payload)
            except ValueError as error:
                # Another version wrote it. Its feed wasn't stored as read and is polled again.
                log.warning("inbox: unreadable, left to the next poll", extra={"why": str(error)})
                continue
            if (feed := self._watching.feeds.get(state.key)) is not None:
                batch.append(Polled(feed, state, outcome, parsed))
        return batch

    async def _commit(self, batch: Sequence[Polled]) -> int:
        async with self._pg.turn() as turn:
            await self._catch_up(turn)
            return await super()._commit(batch)

    async def _reload_index(self) -> None:
        self._fresh = False
        await super()._reload_index()
