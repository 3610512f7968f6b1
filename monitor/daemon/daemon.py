"""The daemon: wiring, ticks, signals, reload. Knows when things happen, decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from random import Random

from monitor.alerts.ops import OpsDesk
from monitor.clock import Clock
from monitor.daemon import signals
from monitor.daemon.batches import BACKLOG, BATCH, Batches
from monitor.daemon.chores import make_rounds, prune, tell_baseline, tell_ops, waiting_for_baseline
from monitor.daemon.observer import Observer
from monitor.daemon.once import deliver_all, poll_all, to_poll
from monitor.daemon.progress import Progress
from monitor.daemon.reloading import changed
from monitor.daemon.systemd import Notifier
from monitor.daemon.trouble import Trouble
from monitor.delivery.outbox import Deliverer
from monitor.delivery.slack.socket import SocketMode
from monitor.errors import StateError
from monitor.jobs.port import JobQueue
from monitor.pipeline.memory import Memory
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.polls import Polled, log_poll
from monitor.pipeline.preview import RulePreview
from monitor.sources.fetch import Fetcher
from monitor.sources.outcome import FetchOutcome
from monitor.sources.parse import ParsePool
from monitor.sources.schedule import after_set_back
from monitor.store.port import FeedState, PollCommit, Store
from monitor.values import Document
from monitor.watching import Watching

log = logging.getLogger(__name__)

# Polls at once. The fetcher's slots decide how many really run; here only those that hang count,
# and they must not keep the others from their turn.
IN_FLIGHT = 600
# Where a feed's due time is put while it is polled: a crash delays it by this much. Longer than
# a fetch's deadline and a parse's wall limit together.
CLAIM = timedelta(seconds=40)
DRAIN = timedelta(seconds=8)  # of the 10 s that SIGTERM allows
STORE_PAUSE = 5.0  # seconds before a failed store is tried again


class Daemon:
    """Runs the pipeline and the deliverer until it is told to stop."""

    def __init__(
        self,
        store: Store,
        queue: JobQueue,
        fetcher: Fetcher,
        parser: ParsePool,
        deliverer: Deliverer,
        current: Watching,
        clock: Clock,
        random: Random,
        reload: Callable[[], Watching | None],
        rewire: Callable[[Watching], Awaitable[None]],
    ) -> None:
        """``reload`` returns a changed configuration, None where nothing changed, and raises
        ``ConfigError`` once for a broken one; ``rewire`` gives the senders and the fetcher the
        new settings."""
        self._store = store
        self._queue = queue
        self._fetcher = fetcher
        self._parser = parser
        self._deliverer = deliverer
        self._watching = current
        self._clock = clock
        self._random = random
        self._reload = reload
        self._rewire = rewire
        self._batches = Batches()
        self._polls: dict[str, asyncio.Task[None]] = {}
        self._states: dict[str, FeedState] = {}
        self._stopping = asyncio.Event()
        self._pipeline: Pipeline | None = None
        self._fresh_watching: Watching | None = None  # loaded, and not in force yet
        self._ops = OpsDesk(store)
        self._background: set[asyncio.Future[object]] = set()
        self._wake: asyncio.TimerHandle | None = None
        self.rounds = 0
        self._latest: datetime | None = None  # the wall clock at the last look for what is due
        self.callback: Callable[[], AbstractAsyncContextManager[str]] | None = None  # WebSub's
        self.web: AbstractAsyncContextManager[str | None] | None = None  # the status page
        self.observer: Observer | None = None
        self.notifier = Notifier({})
        self.trouble = Trouble(clock, lambda words: self.notifier.status(words))
        self._warm = asyncio.Event()
        self.progress = Progress()
        self.listener: SocketMode | None = None  # people's buttons and /watch, if Slack has them

    # Life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bring the store in line with the configuration and rebuild what lives in memory."""
        for name, task, _ in self._ticks():
            self._queue.register(name, self.progress.counted(name, task, self.trouble))
        now = self._clock.now()
        self._states = dict(await self._store.sync_feeds(list(self._watching.feeds.values()), now))
        self._ops = await OpsDesk.load(self._store)
        self._pipeline = await self._make_pipeline()
        if held := await self._recover():
            log.warning("messages with unknown outcome are held", extra={"messages": held})
        self._run_aside(self._preview())
        self._run_aside(self._warm_up())

    async def _warm_up(self) -> None:
        """Have the gazetteer built in a thread: at its first use, which takes most of a second.
        Nothing is decided until then; an alert would have to wait for it in the event loop."""
        try:
            await asyncio.to_thread(self._watching.ruleset.entities, Document("", ""))
        finally:
            self._warm.set()

    async def _recover(self) -> int:
        """Look after what a process before us was sending; returns how many messages that is."""
        return await self._deliverer.recover()

    async def run(self) -> None:
        """Run until ``stop``; then drain."""
        log.info(
            "watching",
            extra={
                "feeds": len(self._watching.feeds),
                "rules": len(self._watching.ruleset.rules),
                "channels": ", ".join(sorted(self._watching.settings.channels)) or "console",
            },
        )
        for name, _, interval in self._ticks():
            self._queue.every(timedelta(seconds=interval), name)
        await self._queue.start()
        if self.listener is not None:
            await self.listener.start()
        for name in ("poll", "deliver", "prune"):
            await self._queue.defer(name)
        async with contextlib.AsyncExitStack() as serving:
            if self.callback is not None:
                await self._take_calls(self.callback, serving)
            if self.web is not None:
                await serving.enter_async_context(self.web)
            decider = asyncio.create_task(self._decide_forever(), name="decider")
            self.notifier.ready()
            self._run_aside(self.notifier.feed_watchdog(self.progress.alive))
            stopping = asyncio.create_task(self._stopping.wait())
            done, _ = await asyncio.wait({decider, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if decider in done:
                decider.result()
            await self._drain(decider)

    async def _take_calls(
        self,
        callback: Callable[[], AbstractAsyncContextManager[str]],
        serving: contextlib.AsyncExitStack,
    ) -> None:
        """Take WebSub hubs' calls until ``serving`` ends."""
        listen = await serving.enter_async_context(callback())
        log.info("taking WebSub hubs' calls", extra={"listen": listen})

    def stop(self) -> None:
        """Ask for a clean end; safe to call more than once."""
        self._stopping.set()

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT end the daemon, a second one at once; SIGHUP reloads its
        configuration."""
        signals.handle(self.stop, self._on_hangup)

    async def once(self, due_only: bool) -> int:
        """One cycle: poll, decide, deliver what may go now. Returns how many feeds failed."""
        await self._follow_the_clock(self._clock.now())
        states = await self._store.feed_states()
        failed = await poll_all(
            to_poll(states.values(), self._clock.now(), due_only=due_only),
            self._fetch_one,
            self._commit,
            at_once=IN_FLIGHT,
            batch_size=BATCH,
        )
        await self._tell_baseline(patient=False)
        await self._make_rounds()
        await self._tell_ops()
        await self._deliver_all()
        return failed

    async def _fetch_one(self, state: FeedState) -> Polled:
        return await self._require_pipeline().fetch(self._watching.feeds[state.key], state)

    async def _deliver_all(self) -> None:
        await deliver_all(self._deliverer, self._clock)

    def parked_channels(self) -> list[str]:
        """Return, in plain words, the channels that refuse messages until somebody acts."""
        return [
            f"channel {each.channel}: {each.reason}; its alerts are kept"
            for each in self._deliverer.health()
            if each.state == "parked"
        ]

    def use_fetcher(self, fetcher: Fetcher) -> None:
        """Fetch with ``fetcher`` from now on; polls under way finish with the old one."""
        self._fetcher = fetcher
        self._require_pipeline().fetcher = fetcher

    # Ticks --------------------------------------------------------------------------------------

    def _ticks(self) -> tuple[tuple[str, Callable[[], Awaitable[None]], float], ...]:
        """Return what is done regularly: its name, the work, and every how many seconds."""
        return (
            ("poll", self._poll_due, 0.5),
            ("deliver", self._deliver, 1.0),
            ("baseline", self._tell_baseline, 1.0),
            ("rounds", self._make_rounds, 2.0),
            ("ops", self._tell_ops, 30.0),
            ("reload", self._check_reload, 1.0),
            ("prune", self._prune, 3600.0),
        )

    async def _poll_due(self) -> None:
        free = min(IN_FLIGHT - len(self._polls), BACKLOG - len(self._batches.undecided))
        if free <= 0 or self._stopping.is_set():
            return
        now = self._clock.now()
        await self._follow_the_clock(now)
        for state in await self._store.due(now, free, now + CLAIM):
            feed = self._watching.feeds.get(state.key)
            under_way = state.key in self._polls or state.key in self._batches.undecided
            if feed is not None and not under_way:
                task = asyncio.create_task(self._poll(state), name=f"poll {state.key}")
                self._polls[state.key] = task

    async def _follow_the_clock(self, now: datetime) -> None:
        """After the wall clock was set back, also while we were down, count waits from now: else
        a feed would rest for as long as the clock went back."""
        if self._latest is None or now < self._latest:
            states = (await self._store.feed_states()).values()
            moved = [after_set_back(state, now) for state in states]
            if commits := [PollCommit(state) for state in moved if state is not None]:
                log.warning("the clock was set back", extra={"feeds": len(commits)})
                await self._store.commit_polls(commits)
        self._latest = now

    async def _poll(self, state: FeedState) -> None:
        try:
            polled = await self._fetch_one(state)
            await self._batches.put(polled)
        except StateError as error:
            self.trouble.met(error)  # the claim polls it again
        except Exception:
            # A fault of ours in one feed's poll must not end the others; the claim polls it again.
            log.exception("poll failed unexpectedly", extra={"feed": state.key})
        finally:
            self._polls.pop(state.key, None)

    def current_fetcher(self) -> Fetcher:
        """Return the fetcher in force."""
        return self._fetcher

    def current_watching(self) -> Watching:
        """Return the configuration in force."""
        return self._watching

    def current_states(self) -> Mapping[str, FeedState]:
        """Return the states of the active feeds, as last committed."""
        return {key: s for key, s in self._states.items() if key in self._watching.feeds}

    async def take_push(self, key: str, outcome: FetchOutcome) -> None:
        """Take what a WebSub hub sent for a feed, as the answer to a poll; soon, not at once.

        What a crash loses of it, the next poll brings.
        """
        self._run_aside(self._take_push(key, outcome))

    async def _take_push(self, key: str, outcome: FetchOutcome) -> None:
        while key in self._polls or key in self._batches.undecided:  # noqa: ASYNC110 - rare, two sets
            await asyncio.sleep(0.05)
        feed, state = self._watching.feeds.get(key), self._states.get(key)
        if feed is None or state is None or self._stopping.is_set():
            return
        self._batches.undecided.add(key)
        polled = await self._require_pipeline().take_push(feed, state, outcome)
        if polled is None:
            self._batches.undecided.discard(key)
        else:
            await self._batches.put(polled)

    async def _decide_forever(self) -> None:
        while True:
            batch = await self._batches.take()
            self.progress.deciding = True
            try:
                await self._commit(batch)
            except StateError as error:
                self.trouble.met(error)
                await asyncio.sleep(STORE_PAUSE)
                await self._reload_index()
            finally:
                self.progress.deciding = False

    async def _commit(self, batch: Sequence[Polled]) -> int:
        try:
            await self._warm.wait()
            done = await self._require_pipeline().commit(batch)
        finally:
            self._batches.undecided.difference_update(polled.feed.key for polled in batch)
        self.trouble.over()
        failed = 0
        for polled, state in zip(batch, done.states, strict=True):
            self._states[state.key] = state
            failed += log_poll(polled, state)
        self._ops.count(
            polls=len(batch),
            failed=failed,
            entries=done.new_entries,
            matched=done.matched,
            alerts=done.alerts,
        )
        if self.observer is not None:
            self.observer.committed(batch, done)
        if done.alerts:
            await self._queue.defer("deliver")
        self.rounds += 1
        return failed

    async def _deliver(self) -> None:
        await self._deliverer.deliver_due()
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if (at := self._deliverer.wake_at()) is not None and not self._stopping.is_set():
            delay = max(0.01, (at - self._clock.now()).total_seconds())
            if delay < 1.0:  # else the tick is soon enough
                loop = asyncio.get_running_loop()
                self._wake = loop.call_later(delay, self._defer_soon, "deliver")

    async def _tell_baseline(self, *, patient: bool = True) -> None:
        if self._memory().baseline.pending is None:
            return  # nothing to tell: a hundred thousand states needn't be looked through
        waiting = waiting_for_baseline(self.current_states().values()) if patient else 0
        settings, now = self._watching.settings, self._clock.now()
        if await tell_baseline(self._store, self._memory().baseline, waiting, settings, now):
            await self._queue.defer("deliver")

    async def _make_rounds(self) -> None:
        settings, now = self._watching.settings, self._clock.now()
        if await make_rounds(self._store, self._memory().desk, settings, now):
            await self._queue.defer("deliver")

    async def _tell_ops(self) -> None:
        watching, states = self._watching, self._states
        watched = [(f, states[key]) for key, f in watching.feeds.items() if key in states]
        await tell_ops(self._ops, watching.settings, watched, self._clock.now())

    async def _prune(self) -> None:
        watching = self._watching
        await prune(self._store, watching.settings.retention, watching.ruleset, self._clock.now())

    # Reload -------------------------------------------------------------------------------------

    async def _check_reload(self) -> None:
        fresh = self._fresh_watching or await changed(
            self._reload, self._ops, self._watching, self._clock
        )
        if fresh is None:
            return
        self._fresh_watching = fresh  # where the store fails now, it is taken the next time
        self.notifier.reloading()
        await self._rewire(fresh)
        states = await self._store.sync_feeds(list(fresh.feeds.values()), self._clock.now())
        self._states = dict(states)
        self._watching = fresh
        self._require_pipeline().watching = fresh
        self._fresh_watching = None
        self._run_aside(self._preview())
        log.info(
            "configuration reloaded",
            extra={"feeds": len(fresh.feeds), "rules": len(fresh.ruleset.rules)},
        )
        self.notifier.ready()

    def _on_hangup(self) -> None:
        log.info("SIGHUP: looking at the configuration")
        self._defer_soon("reload")

    async def _preview(self) -> None:
        watching = self._watching
        await RulePreview(self._store).run(
            watching.settings, watching.ruleset, watching.feeds, self._clock.now()
        )
        await self._queue.defer("deliver")

    def _defer_soon(self, name: str) -> None:
        if not self._stopping.is_set():
            self._run_aside(self._queue.defer(name))

    def _run_aside(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # Inside -------------------------------------------------------------------------------------

    def _require_pipeline(self) -> Pipeline:
        assert self._pipeline is not None, "start() comes first"
        return self._pipeline

    def _memory(self) -> Memory:
        return self._require_pipeline().memory

    async def _make_pipeline(self) -> Pipeline:
        made = Pipeline(
            self._store,
            self._fetcher,
            self._parser,
            await Memory.load(self._store, self._clock.now()),
            self._watching,
            self._clock,
            self._random,
        )
        made.on_step = self.progress.step
        return made

    async def _reload_index(self) -> None:
        while not self._stopping.is_set():
            try:
                self._pipeline = await self._make_pipeline()
                return
            except StateError as error:
                self.trouble.met(error)
                self.progress.step()  # a full disk is told of; to start anew would not help it
                await asyncio.sleep(STORE_PAUSE)

    async def _drain(self, decider: asyncio.Task[None]) -> None:
        log.info("stopping: finishing what is in flight")
        self.notifier.stopping()
        end = self._clock.monotonic() + DRAIN.total_seconds()
        await self._queue.stop(timedelta(seconds=2))
        for poll in list(self._polls.values()):
            poll.cancel()
        decider.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await decider
        if left := self._batches.rest():
            try:
                await self._commit(left)
            except StateError as error:
                log.error("store failed while stopping", extra={"reason": str(error)})
        await self._deliverer.drain(end)
