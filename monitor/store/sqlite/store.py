"""The SQLite adapter of the Store port: one writer thread, a few reading ones, one file."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from monitor.errors import StateError
from monitor.store.migrations import Migration, bundled
from monitor.store.port import (
    Beginning,
    DayCount,
    FeedState,
    FoundEntry,
    OutboxRow,
    OutboxState,
    PollCommit,
    Pruned,
    Retention,
    SeenKey,
    StoryRow,
)
from monitor.store.sqlite import copies, entries, feeds, outbox, upkeep
from monitor.store.sqlite import search as text_search
from monitor.store.sqlite.connection import connect, prepare_directory
from monitor.store.sqlite.errors import state_error
from monitor.store.sqlite.migrate import migrate, sound
from monitor.store.sqlite.search import TextIndex
from monitor.store.sqlite.writer import Writer
from monitor.store.tokens import Tokenize
from monitor.values import Feed, Match, Wording

log = logging.getLogger(__name__)
T = TypeVar("T")
READERS = 2
# Bounds on one prune, so that it always ends; what is left is for the next one.
MERGES = 20_000
SHRINKS = 100_000
# The text index frees what was removed when its segments are merged. SQLite does that as entries
# come in; all at once only where more than a tenth went, since it writes the whole index anew.
MERGE_AFTER = 10


class Readers:
    """A few threads with a reading connection each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``query`` on one snapshot of the database."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, query)
        except RuntimeError as error:
            raise StateError(f"{self._path}: the store is closed") from error

    def _run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            db: sqlite3.Connection | None = getattr(self._local, "db", None)
            if db is None:
                db = self._local.db = connect(self._path, writer=False)
                self._open.append(db)
            db.execute("BEGIN")
            try:
                return query(db)
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise state_error(error, self._path) from error

    async def close(self) -> None:
        await asyncio.to_thread(self._pool.shutdown)
        for db in self._open:
            db.close()
        self._open.clear()


class SqliteStore:
    """Facts in one SQLite file; see ``monitor.store.port.Store`` for what each method promises."""

    def __init__(self, path: Path, db: sqlite3.Connection, index: TextIndex) -> None:
        self.path = path
        self._index = index
        self._writer = Writer(db, path)
        self._readers = Readers(path)

    async def close(self) -> None:
        await self._readers.close()
        await self._writer.close()

    # Feeds -------------------------------------------------------------------------------------
    async def sync_feeds(self, wanted: Sequence[Feed], now: datetime) -> Mapping[str, FeedState]:
        return await self._writer.write(partial(feeds.sync, feeds=wanted, now=now))

    async def feed_states(self, polled_since: datetime | None = None) -> Mapping[str, FeedState]:
        return await self._readers.read(partial(feeds.states, polled_since=polled_since))

    async def due(
        self, now: datetime, limit: int, retry_at: datetime, shard: int | None = None
    ) -> Sequence[FeedState]:
        return await self._writer.write(
            partial(feeds.claim, now=now, limit=limit, retry_at=retry_at, shard=shard)
        )

    async def due_shards(self, now: datetime) -> Sequence[int]:
        return await self._readers.read(partial(feeds.due_shards, now=now))

    async def next_due(self) -> datetime | None:
        return await self._readers.read(feeds.next_due)

    async def update_feed(self, state: FeedState) -> None:
        await self._writer.write(partial(feeds.update, states=[state]))

    async def make_due(self, key: str, at: datetime) -> bool:
        return await self._writer.write(partial(feeds.make_due, key=key, at=at))

    # Polls -------------------------------------------------------------------------------------
    async def seen(self, feed_id: int, keys: Sequence[bytes]) -> Mapping[bytes, SeenKey]:
        if not keys:
            return {}
        return await self._readers.read(partial(entries.seen, feed_id=feed_id, keys=keys))

    async def commit_polls(self, polls: Sequence[PollCommit]) -> None:
        await self._writer.write(partial(entries.commit, index=self._index, polls=polls))

    # Stories and entries -----------------------------------------------------------------------
    async def stories_since(self, since: datetime) -> Sequence[StoryRow]:
        return await self._readers.read(partial(entries.stories_since, since=since))

    async def entries_since(
        self, since: datetime, limit: int | None = None
    ) -> Sequence[FoundEntry]:
        return await self._readers.read(partial(entries.since, at=since, limit=limit))

    async def matched_entries(
        self,
        since: datetime,
        rules: Sequence[str] = (),
        *,
        after: str = "",
        limit: int | None = None,
        newest: bool = False,
    ) -> Sequence[FoundEntry]:
        return await self._readers.read(
            partial(entries.matched, at=since, rules=rules, after=after, limit=limit, newest=newest)
        )

    async def baselined(self, since: datetime, limit: int) -> Sequence[Beginning]:
        return await self._readers.read(partial(entries.baselined, at=since, limit=limit))

    async def entries_of_story(self, story_id: str) -> Sequence[FoundEntry]:
        return await self._readers.read(partial(entries.of_story, story_id=story_id))

    async def matches_of(self, entry_id: str) -> Sequence[Match]:
        return await self._readers.read(partial(entries.matches_of, entry_id=entry_id))

    async def find_entries(self, text_or_url: str, limit: int = 20) -> Sequence[FoundEntry]:
        return await self._readers.read(partial(entries.find, text_or_url=text_or_url, limit=limit))

    async def numbers_since(
        self, since: datetime, wording: Wording | None = None, limit: int | None = None
    ) -> Sequence[int]:
        if wording is not None:
            await self._catch_up()
        return await self._readers.read(
            partial(text_search.numbers_since, since=since, wording=wording, limit=limit)
        )

    async def texts_numbered(
        self, numbers: Sequence[int]
    ) -> Sequence[tuple[int, tuple[str, str, str]]]:
        return await self._readers.read(partial(entries.texts, numbers=numbers))

    async def entries_numbered(self, numbers: Sequence[int]) -> Sequence[FoundEntry]:
        return await self._readers.read(partial(entries.numbered, numbers=numbers))

    async def days(self, since: datetime) -> Sequence[DayCount]:
        return await self._readers.read(partial(entries.days, at=since))

    async def blob(self, name: str) -> bytes | None:
        return await self._readers.read(partial(entries.blob, name=name))

    async def put_blobs(self, blobs: Mapping[str, bytes | None]) -> None:
        await self._writer.write(partial(entries.put_blobs, blobs=blobs))

    # Outbox ------------------------------------------------------------------------------------
    async def enqueue(self, rows: Sequence[OutboxRow]) -> int:
        return await self._writer.write(partial(outbox.add, rows=rows))

    async def outbox_due(
        self, now: datetime, limit: int, channels: Sequence[str] | None = None
    ) -> Sequence[OutboxRow]:
        return await self._readers.read(
            partial(outbox.due, now=now, limit=limit, channels=channels)
        )

    async def outbox_rows(
        self,
        states: Sequence[OutboxState] | None = None,
        channel: str | None = None,
        story_id: str | None = None,
        limit: int | None = None,
        newest: bool = False,
        since: datetime | None = None,
    ) -> Sequence[OutboxRow]:
        return await self._readers.read(
            partial(
                outbox.rows,
                states=states,
                channel=channel,
                story_id=story_id,
                limit=limit,
                newest=newest,
                since=since,
            )
        )

    async def outbox_next(self) -> datetime | None:
        return await self._readers.read(outbox.next_at)

    async def outbox_put(self, rows: Sequence[OutboxRow]) -> None:
        await self._writer.write(partial(outbox.put, rows=rows))

    async def outbox_stranded(self, channels: Sequence[str] | None = None) -> Sequence[OutboxRow]:
        rows = await self.outbox_rows(["sending"])
        return rows if channels is None else [row for row in rows if row.channel in channels]

    async def outbox_holds(self, row_id: str) -> bool:
        return True  # the state directory's lock lets no other process in

    async def outbox_forget(self, ids: Sequence[str]) -> int:
        return await self._writer.write(partial(outbox.forget, ids=ids))

    async def outbox_counts(self) -> Mapping[OutboxState, int]:
        return await self._readers.read(outbox.counts)

    # Upkeep ------------------------------------------------------------------------------------
    async def prune(self, now: datetime, retention: Retention) -> Pruned:
        await self._catch_up()
        stories_before, alerts_before, seen_before = upkeep.limits(retention, now)
        entries_gone = await self._repeat(
            partial(upkeep.entries_before, index=self._index, before=stories_before)
        )
        seen = 0
        for feed_id in await self._readers.read(upkeep.feed_ids):
            seen += await self._writer.write(
                partial(
                    upkeep.seen_before,
                    feed_id=feed_id,
                    before=seen_before,
                    refreshed=retention.refreshed,
                )
            )
        have = await self._readers.read(upkeep.count)
        if entries_gone * MERGE_AFTER > have:
            await self._merge()
        entries_gone += await self._prune_to(retention.max_bytes)
        stories = await self._repeat(partial(upkeep.stories_before, before=stories_before))
        rows = await self._repeat(partial(upkeep.outbox_before, before=alerts_before))
        await self._writer.write(partial(upkeep.feeds_before, before=seen_before))
        await self._shrink()
        return Pruned(entries_gone, stories, seen, rows, await self._readers.read(upkeep.size))

    async def _prune_to(self, max_bytes: int) -> int:
        """Remove the oldest entries until the file's contents fit; returns how many."""
        gone = 0
        while (used := await self._readers.read(upkeep.size)) > max_bytes:
            have = await self._readers.read(upkeep.count)
            if have == 0:
                log.warning(
                    "store larger than its bound without any entry",
                    extra={"bytes": used, "max_bytes": max_bytes},
                )
                break
            # What goes is estimated from the mean size of an entry, never less than one step.
            excess = -(-have * (used - max_bytes) // used)
            for _ in range(-(-excess // upkeep.STEP)):
                gone += await self._writer.write(
                    partial(upkeep.entries_before, index=self._index, before=None)
                )
            await self._merge()
        return gone

    async def _catch_up(self) -> None:
        """Bring the text index up to the entries there are now."""
        if await self._readers.read(self._index.lags):
            while await self._writer.write(self._index.catch_up):
                pass

    async def _repeat(self, removal: Callable[[sqlite3.Connection], int]) -> int:
        total = 0
        while removed := await self._writer.write(removal):
            total += removed
        return total

    async def _merge(self) -> None:
        for _ in range(MERGES):
            if not await self._writer.write(upkeep.merge_text):
                return

    async def _shrink(self) -> None:
        left = await self._writer.write(upkeep.shrink)
        for _ in range(SHRINKS):
            fewer = await self._writer.write(upkeep.shrink) if left else 0
            if fewer == 0 or fewer >= left:
                return
            left = fewer

    async def backup(self, target: str) -> None:
        await self._snapshot(partial(copies.write_copy, target=Path(target)))

    async def check(self) -> Sequence[str]:
        return await self._snapshot(upkeep.findings)

    async def _snapshot(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` outside any transaction, on a connection of its own."""

        def run() -> T:
            # query_only would forbid VACUUM INTO.
            db = connect(self.path, writer=True)
            try:
                return work(db)
            except sqlite3.Error as error:
                raise state_error(error, self.path) from error
            finally:
                db.close()

        return await asyncio.to_thread(run)


async def open_sqlite(
    state_dir: Path,
    *,
    now: datetime,
    tokenize: Tokenize,
    check: bool = True,
    steps: Sequence[Migration] | None = None,
) -> SqliteStore:
    """Open the store in ``state_dir``, making or migrating it where needed.

    Args:
        state_dir: the folder that holds the database file; made if absent.
        now: names the copy that is made before a migration.
        tokenize: cuts text into the tokens that are searched for.
        check: run SQLite's quick check first (it reads the whole file).
        steps: the schema's migrations, the bundled ones unless given.

    Raises:
        CorruptState: the file is damaged; it is left as it is.
        NewerSchema: a newer version has written it.
        StateError: it can't be opened or written.
    """
    return await asyncio.to_thread(
        _open, state_dir, now, TextIndex(tokenize), check, steps or bundled("sqlite")
    )


def _open(
    state_dir: Path, now: datetime, index: TextIndex, check: bool, steps: Sequence[Migration]
) -> SqliteStore:
    path = prepare_directory(state_dir)
    db = connect(path, writer=True)
    try:
        if check:
            sound(db, path)
        migrate(db, path, steps, now)
        _index_keeps_up(db, index)
    except sqlite3.Error as error:
        db.close()
        raise state_error(error, path) from error
    except BaseException:
        db.close()
        raise
    return SqliteStore(path, db, index)


def _index_keeps_up(db: sqlite3.Connection, index: TextIndex) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        if index.keep_up(db):
            log.info("text index is built anew, behind the work")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
