"""The one writer: a thread that runs write operations, several waiting ones in one transaction.

An fsync is what a commit costs (measured: synchronous=FULL costs 5.9x for a lone small update and
nothing visible at 20 together), so operations that wait at the same moment share one. Each runs in
its own savepoint: one that fails takes nothing of the others with it.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from monitor.errors import StateError
from monitor.store.sqlite.errors import state_error

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], Any]
GROUP = 64


class _Job:
    """An operation, where its outcome goes, and what the outcome is once it is known."""

    def __init__(self, operation: Operation, loop: asyncio.AbstractEventLoop) -> None:
        self.operation = operation
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def deliver(self) -> None:
        """Hand the outcome to whoever awaits it, in their loop."""
        try:
            self.loop.call_soon_threadsafe(self._settle)
        except RuntimeError:  # the loop has closed: nobody waits any more
            return

    def _settle(self) -> None:
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer:
    """Owns the writing connection and its thread."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def write(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``operation`` in a transaction; its changes are durable when this returns.

        The operation goes on even when the caller is cancelled.
        """
        if self._closed:
            raise StateError(f"{self._path}: the store is closed")
        job = _Job(operation, asyncio.get_running_loop())
        self._jobs.put(job)
        result: T = await job.future
        return result

    async def close(self) -> None:
        """Finish what waits, and close the connection."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        open_ = True
        while open_:
            group = [self._jobs.get()]
            while len(group) < GROUP and not self._jobs.empty():
                group.append(self._jobs.get())
            open_ = None not in group
            jobs = [job for job in group if job is not None]
            if jobs:
                self._run_group(jobs)
        self._db.close()

    def _run_group(self, jobs: list[_Job]) -> None:
        try:
            self._transact(jobs)
        except Exception as error:  # noqa: BLE001 - it belongs to the callers, who get it
            if len(jobs) > 1:
                # The whole transaction is gone (disk full, I/O error): find out whose fault it is.
                for job in jobs:
                    self._run_group([job])
                return
            jobs[0].error = self._ours(error)
        for job in jobs:
            job.deliver()

    def _transact(self, jobs: list[_Job]) -> None:
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            for job in jobs:
                job.result, job.error = None, None
                self._attempt(job, alone=len(jobs) == 1)
            db.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after SQLITE_FULL and some I/O errors.
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _attempt(self, job: _Job, *, alone: bool) -> None:
        db = self._db
        if not alone:
            db.execute("SAVEPOINT job")
        try:
            job.result = job.operation(db)
        except Exception as error:
            if not db.in_transaction:
                raise  # not this job's failure alone
            if alone:
                db.execute("ROLLBACK")
                db.execute("BEGIN")
            else:
                db.execute("ROLLBACK TO job")
            job.error = self._ours(error)
        if not alone:
            db.execute("RELEASE job")

    def _ours(self, error: Exception) -> Exception:
        return state_error(error, self._path) if isinstance(error, sqlite3.Error) else error
