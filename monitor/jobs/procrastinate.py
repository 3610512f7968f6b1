"""The JobQueue for many workers: Procrastinate on the store's own PostgreSQL.

Jobs are wake-up hints. A job's lock and queueing lock are its name and key, so that in the whole
cluster one runs and one waits. One process at a time (the leader, by an advisory lock) makes the
ticks and looks for stalled jobs; any other takes over when it dies.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import procrastinate
from procrastinate import exceptions as trouble
from procrastinate.job_context import JobContext
from procrastinate.jobs import DeleteJobCondition, Job, Status
from procrastinate.worker import Worker

from monitor.errors import NewswatchError, StateError
from monitor.jobs.port import Task
from monitor.store.postgres.migrate import LOCK_KEY
from monitor.store.postgres.pool import Connection, fetch, run
from monitor.store.postgres.store import PgStore

log = logging.getLogger(__name__)
QUEUE = "newswatch"
# A job that waits for its lock isn't announced when the lock comes free: look twice a second.
LOOK_SECONDS = 0.5
RESTART_SECONDS: Sequence[float] = (1.0, 2.0, 5.0, 10.0)
STOP_SECONDS = 3.0  # that ending may take beyond the grace
TICK_SECONDS = 0.1
LEAD_SECONDS = 1.0
GUARD_SECONDS = 10.0  # between looks for jobs of dead workers
CONNECTIONS = 4  # a job holds none while it runs


class _Worker(Worker):
    """The library's, which leaves it unread that the end of a job could not be stored."""

    async def _process_job(self, context: JobContext) -> None:
        try:
            await super()._process_job(context)
        except trouble.ConnectorException as error:
            # It counts as running, and is put back by ``_recover_own``.
            log.warning("a job's end was lost", extra={"job": context.job.id, "reason": str(error)})


class ProcrastinateQueue:
    """Runs each (name, key) at most once at a time in all workers together.

    Args:
        store: whose database the jobs live in.
        concurrency: how many jobs this process runs at once.
        heartbeat: how often this process says that it lives.
        silent: a process not heard of for so long is dead, and its jobs are run again.

    ``may_lead`` can be switched off for a process that is to stand aside.
    """

    def __init__(
        self,
        store: PgStore,
        *,
        concurrency: int = 20,
        heartbeat: timedelta = timedelta(seconds=3),
        silent: timedelta = timedelta(seconds=15),
    ) -> None:
        self.runs: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.recovered = 0
        self.may_lead = True
        self._store = store
        self._concurrency = concurrency
        self._heartbeat = heartbeat.total_seconds()
        self._silent = silent.total_seconds()
        self._leadership = store.leadership("dispatcher")
        self._leads = False
        connector = procrastinate.PsycopgConnector(
            conninfo=store.pool.url,
            min_size=1,
            max_size=CONNECTIONS,
            kwargs=store.pool.options,
            configure=store.pool.configure,
        )
        self._app = procrastinate.App(connector=connector)
        self._idle: set[int] = set()  # jobs that are ours and not run, as of the last look
        self._registered: set[str] = set()
        self._ticks: dict[tuple[str, str], float] = {}
        self._worker: Worker | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._opening = asyncio.Lock()
        self._open = False
        self._stopped = False

    @property
    def leads(self) -> bool:
        """Whether this process made the last ticks."""
        return self._leads

    def register(self, name: str, task: Task) -> None:
        async def run_job(key: str) -> None:
            self.runs[name] += 1
            try:
                await task(key)
            except Exception:
                self.failures[name] += 1
                log.exception("job failed", extra={"job": name, "key": key})

        self._registered.add(name)
        self._app.task(name=name, queue=QUEUE)(run_job)

    async def defer(self, name: str, key: str = "") -> bool:
        return bool(await self.defer_many(name, [key]))

    async def defer_many(
        self, name: str, keys: Sequence[str], most: int | None = None
    ) -> Sequence[str]:
        """Defer a job for each key for which none waits already, the first ``most`` of them.

        Returns the keys for which one was deferred.
        """
        self._require(name)
        if self._stopped or not keys:
            return []
        await self._ready()

        async def work(db: Connection) -> Sequence[str]:
            return await self.defer_on(db, name, keys, most)

        return await self._store.pool.write(work)

    async def defer_on(
        self, db: Connection, name: str, keys: Sequence[str], most: int | None = None
    ) -> Sequence[str]:
        """Do what ``defer_many`` does within the transaction of ``db``: the jobs exist when it
        commits, or never."""
        self._require(name)
        jobs = {_lock(name, key): (key, _job(name, key)) for key in keys}
        waiting = await fetch(
            db,
            "SELECT queueing_lock FROM procrastinate_jobs "
            "WHERE status = 'todo' AND queueing_lock = ANY(%s::text[])",
            (list(jobs),),
        )
        for row in waiting:
            del jobs[row[0]]
        # By their locks: dispatchers that insert in the same order wait for each other in turn.
        chosen = sorted(list(jobs.items())[:most])
        if await self._insert(db, [job for _, (_, job) in chosen]):
            return [key for _, (key, _) in chosen]
        # One of them has come to wait meanwhile, which fails them all: one by one, then.
        return [key for _, (key, job) in chosen if await self._insert(db, [job])]

    async def _insert(self, db: Connection, jobs: list[Job]) -> bool:
        if not jobs:
            return True
        try:
            async with db.transaction():
                await self._app.job_manager.batch_defer_jobs_async(jobs, connection=db)
        except trouble.AlreadyEnqueued:
            return False
        return True

    def every(self, interval: timedelta, name: str, key: str = "") -> None:
        self._ticks[name, key] = interval.total_seconds()

    async def open(self) -> None:
        """Make the tables where they are absent, and connect; ``start`` does it too.

        Raises:
            StateError: the database can't be reached or changed.
        """
        await self._ready()

    async def start(self) -> None:
        await self._ready()
        self._stopped = False
        self._tasks = [
            asyncio.create_task(self._work_forever(), name="jobs: work"),
            asyncio.create_task(self._lead_forever(), name="jobs: lead"),
            asyncio.create_task(self._guard_forever(), name="jobs: guard"),
        ]

    async def stop(self, grace: timedelta) -> None:
        self._stopped = True
        if self._tasks:
            work, lead, guard = self._tasks
            self._tasks = []
            lead.cancel()
            guard.cancel()
            if self._worker is not None:
                self._worker.shutdown_graceful_timeout = grace.total_seconds()
                self._worker.stop()  # type: ignore[no-untyped-call]
            else:
                work.cancel()
            patience = grace.total_seconds() + STOP_SECONDS
            done, late = await asyncio.wait({work, lead, guard}, timeout=patience)
            for task in late:  # the library may wait for a session that is gone
                task.cancel()
            await asyncio.gather(*done, return_exceptions=True)
            if late:
                await asyncio.wait(late, timeout=STOP_SECONDS)
        await self._leadership.release()
        if self._open:
            self._open = False
            await self._app.close_async()

    # Opening ------------------------------------------------------------------------------------

    def _require(self, name: str) -> None:
        if name not in self._registered:
            raise KeyError(f"no task is registered as {name!r}")

    async def _ready(self) -> None:
        async with self._opening:
            if self._open:
                return
            library = logging.getLogger("procrastinate")
            if library.level == logging.NOTSET:
                library.setLevel(logging.WARNING)  # it tells of every job at INFO
            await self._store.pool.write(_apply_schema)
            try:
                await self._app.open_async()
            except trouble.ConnectorException as error:
                raise StateError(f"{self._store.pool.where}: {error}") from error
            self._open = True

    # Working ------------------------------------------------------------------------------------

    async def _work_forever(self) -> None:
        """Run a worker, and another one when it ends: it does so when the server restarts."""
        ended = 0
        while not self._stopped:
            self._worker = _Worker(
                self._app,
                queues=[QUEUE],
                concurrency=self._concurrency,
                fetch_job_polling_interval=LOOK_SECONDS,
                update_heartbeat_interval=self._heartbeat,
                stalled_worker_timeout=self._silent,
                delete_jobs=DeleteJobCondition.ALWAYS,
                install_signal_handlers=False,
            )
            began = asyncio.get_running_loop().time()
            try:
                await self._worker.run()  # type: ignore[no-untyped-call]
            except Exception as error:  # noqa: BLE001 - whatever it was, the queue goes on
                log.warning("the job queue lost its database", extra={"reason": str(error)})
            if asyncio.get_running_loop().time() - began > 60.0:
                ended = 0
            if not self._stopped:
                await asyncio.sleep(RESTART_SECONDS[min(ended, len(RESTART_SECONDS) - 1)])
                ended += 1

    # Leading ------------------------------------------------------------------------------------

    async def _may_lead(self) -> bool:
        """Return whether we lead; stand down where ``may_lead`` is off."""
        if self.may_lead:
            return await self._leadership.hold()
        await self._leadership.release()
        return False

    async def _lead_forever(self) -> None:
        """Make the ticks while this process leads."""
        clock = asyncio.get_running_loop().time
        due: dict[tuple[str, str], float] = {}
        ask_at = clock()
        while True:
            try:
                if clock() >= ask_at:
                    led, self._leads = self._leads, await self._may_lead()
                    ask_at = clock() + LEAD_SECONDS
                    if self._leads and not led:
                        log.info("this worker dispatches from now on")
                        due = {job: clock() + interval for job, interval in self._ticks.items()}
                if self._leads:
                    await self._tick(due, clock())
            except (NewswatchError, trouble.ProcrastinateException) as error:
                self._leads = False
                ask_at = clock() + LEAD_SECONDS
                log.warning("dispatching is interrupted", extra={"reason": str(error)})
            await asyncio.sleep(TICK_SECONDS)

    async def _tick(self, due: dict[tuple[str, str], float], now: float) -> None:
        for job, interval in self._ticks.items():
            if due.setdefault(job, now + interval) <= now:
                due[job] = now + interval  # rounds that were missed are run once
                await self.defer(*job)

    async def _guard_forever(self) -> None:
        """Recover stalled jobs while this process leads. A session that the server takes for alive
        may hold a job's row: that must not keep the lead from being held."""
        while True:
            await asyncio.sleep(min(GUARD_SECONDS, self._silent / 2))
            try:
                async with asyncio.timeout(self._store.pool.patience.answer):
                    await self._recover_own()
                    if self._leads:
                        await self.recover_stalled()
            except (NewswatchError, trouble.ProcrastinateException, TimeoutError) as error:
                log.warning("stalled jobs are looked for again", extra={"reason": repr(error)})

    async def recover_stalled(self) -> int:
        """Run the jobs of dead workers again; returns how many there were.

        Putting a job back fails where a successor waits already (its queueing lock is taken), and
        as long as the dead job counts as running the successor never starts: upstream issues 1446
        and 1543. The dead job is removed then; the successor does its work.
        """
        manager = self._app.job_manager
        stalled = await manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=self._silent)
        count = 0
        for job in stalled:
            assert job.id is not None
            if await self._put_back(job.id):
                count += 1
                log.warning("job of a dead worker is run again", extra={"job": job.lock})
        self.recovered += count
        return count

    async def _recover_own(self) -> None:
        """Run jobs of this process again that count as running and aren't: their end could not be
        stored, because the session died that moment. We are alive, so nobody else takes them for
        stalled, and their lock would be held for as long as we live."""
        worker = self._worker
        if worker is None or worker.worker_id is None:
            return
        rows = await self._store.pool.rows(
            "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = %s",
            (worker.worker_id,),
        )
        running = {context.job.id for context in worker._running_jobs.values()}
        idle = {row[0] for row in rows} - running
        # Twice in a row: one may have been taken or have ended since we asked.
        for job_id in idle & self._idle:
            if await self._put_back(job_id):
                self.recovered += 1
                log.warning("job whose end was lost is run again", extra={"job": job_id})
        self._idle = idle

    async def _put_back(self, job_id: int) -> bool:
        """Let a job that isn't run any more be run again, or its successor."""
        manager = self._app.job_manager
        try:
            await manager.retry_job_by_id_async(job_id, retry_at=datetime.now(UTC))
        except trouble.UniqueViolation:
            with suppress(trouble.ConnectorException):  # it has ended after all
                await manager.finish_job_by_id_async(job_id, Status.FAILED, delete_job=True)
        except trouble.ConnectorException as error:
            log.info("stalled job is gone", extra={"job": job_id, "reason": str(error)})
            return False
        return True


def _lock(name: str, key: str) -> str:
    return f"{name}:{key}"


def _job(name: str, key: str) -> Job:
    lock = _lock(name, key)
    return Job(
        id=None,
        queue=QUEUE,
        lock=lock,
        queueing_lock=lock,
        task_name=name,
        task_kwargs={"key": key},
    )


async def _apply_schema(db: Connection) -> None:
    await run(db, f"SELECT pg_advisory_xact_lock({LOCK_KEY})", ("migrate",))
    if (await fetch(db, "SELECT to_regclass('procrastinate_jobs')"))[0][0] is None:
        await db.execute(procrastinate.schema.SchemaManager.get_schema().encode())


def delivers_on(queue: ProcrastinateQueue, name: str) -> Callable[..., Awaitable[Any]]:
    """Return a ``PgStore.on_outbox`` that defers ``name`` for each channel with new messages."""

    async def on_outbox(db: Connection, channels: Sequence[str]) -> None:
        await queue.defer_on(db, name, channels)

    return on_outbox
