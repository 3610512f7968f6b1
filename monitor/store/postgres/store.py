"""The PostgreSQL adapter of the Store port, for any number of workers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import psycopg

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
from monitor.store.postgres import cluster, entries, feeds, inbox, outbox, text_index, upkeep
from monitor.store.postgres.errors import state_error
from monitor.store.postgres.leadership import Leadership
from monitor.store.postgres.migrate import migrate
from monitor.store.postgres.pool import Connection, Patience, Pool
from monitor.store.postgres.transfer import snapshot_side
from monitor.store.postgres.turns import Turn, Turns, turn_connection
from monitor.store.sqlite.transfer import file_side
from monitor.store.tokens import Tokenize, fingerprint
from monitor.store.transfer import copy
from monitor.values import Feed, Match, Wording

T = TypeVar("T")
# Called within the transaction that stores outbox rows, with the channels they are for.
OnOutbox = Callable[[Connection, Sequence[str]], Awaitable[None]]


class PgStore:
    """Facts in PostgreSQL; see ``monitor.store.port.Store`` for what each method promises.

    ``config_hash``, once set, must be in force for anything to be committed or sent (see
    ``cluster``). ``on_outbox`` defers the deliverer's job in the transaction that makes it needed.
    """

    def __init__(self, pool: Pool, tokenize: Tokenize) -> None:
        self.pool = pool
        self.config_hash: str | None = None
        self.on_outbox: OnOutbox | None = None
        self._tokenize = tokenize
        self._made_by = fingerprint(tokenize)
        self._marked = False
        self._holder = outbox.Holder(pool)
        self._turns = Turns(pool)

    async def close(self) -> None:
        await self._holder.close()
        await self._turns.close()
        await self.pool.close()

    # Feeds -------------------------------------------------------------------------------------
    async def sync_feeds(self, wanted: Sequence[Feed], now: datetime) -> Mapping[str, FeedState]:
        return await feeds.sync(self.pool, wanted, now)

    async def feed_states(self, polled_since: datetime | None = None) -> Mapping[str, FeedState]:
        return await feeds.states(self.pool, polled_since)

    async def feed_states_of(self, ids: Sequence[int]) -> Mapping[int, FeedState]:
        """Return the states of some feeds by id, as they are stored at this moment."""
        return await feeds.states_of(self.pool, ids)

    async def due(
        self, now: datetime, limit: int, retry_at: datetime, shard: int | None = None
    ) -> Sequence[FeedState]:
        return await feeds.claim(self.pool, now, limit, retry_at, shard)

    async def due_shards(self, now: datetime) -> Sequence[int]:
        return await feeds.due_shards(self.pool, now)

    async def next_due(self) -> datetime | None:
        return await feeds.next_due(self.pool)

    async def update_feed(self, state: FeedState) -> None:
        await self._write(partial(feeds.update, states=[state]))

    async def make_due(self, key: str, at: datetime) -> bool:
        return await feeds.make_due(self.pool, key, at)

    # Polls -------------------------------------------------------------------------------------
    async def seen(self, feed_id: int, keys: Sequence[bytes]) -> Mapping[bytes, SeenKey]:
        return await entries.seen(self.pool, feed_id, keys) if keys else {}

    async def commit_polls(self, polls: Sequence[PollCommit]) -> None:
        async def work(db: Connection) -> None:
            await cluster.require(db, self.config_hash)
            if not self._marked:
                await text_index.mark(db, self._made_by)
            await entries.commit(db, self._tokenize, polls)
            await self._announce(db, [row for poll in polls for row in poll.outbox])

        if polls:
            await self._write(work)
            self._marked = True

    async def _write(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction: within a turn, on the connection that holds it."""
        held = turn_connection.get()
        if held is None:
            return await self.pool.write(work)
        try:
            async with asyncio.timeout(self.pool.patience.answer), held.transaction():
                return await work(held)
        except (psycopg.Error, TimeoutError) as error:
            raise state_error(error, self.pool.where) from error

    async def _announce(self, db: Connection, rows: Sequence[OutboxRow]) -> None:
        channels = sorted({row.channel for row in rows if row.state == "queued"})
        if channels and self.on_outbox is not None:
            await self.on_outbox(db, channels)

    # Stories and entries -----------------------------------------------------------------------
    async def stories_since(self, since: datetime) -> Sequence[StoryRow]:
        return await entries.stories_since(self.pool, since)

    async def entries_since(
        self, since: datetime, limit: int | None = None
    ) -> Sequence[FoundEntry]:
        return await entries.since(self.pool, since, limit)

    async def matched_entries(
        self,
        since: datetime,
        rules: Sequence[str] = (),
        *,
        after: str = "",
        limit: int | None = None,
        newest: bool = False,
    ) -> Sequence[FoundEntry]:
        return await entries.matched(self.pool, since, rules, after, limit, newest=newest)

    async def baselined(self, since: datetime, limit: int) -> Sequence[Beginning]:
        return await entries.baselined(self.pool, since, limit)

    async def entries_of_story(self, story_id: str) -> Sequence[FoundEntry]:
        return await entries.of_story(self.pool, story_id)

    async def matches_of(self, entry_id: str) -> Sequence[Match]:
        return await entries.matches_of(self.pool, entry_id)

    async def find_entries(self, text_or_url: str, limit: int = 20) -> Sequence[FoundEntry]:
        return await entries.find(self.pool, text_or_url, limit)

    async def numbers_since(
        self, since: datetime, wording: Wording | None = None, limit: int | None = None
    ) -> Sequence[int]:
        below = 0 if wording is None else await self._unknown_below()
        return await entries.numbers_since(self.pool, since, wording, limit, below)

    async def _unknown_below(self) -> int:
        return await text_index.unknown_below(self.pool, self._made_by)

    async def renew_tokens(self) -> bool:
        """Make tokens of another tokeniser anew, some of them; return whether there may be more.

        Until none is left, a search gives the entries that have some besides what it finds.
        """
        return await text_index.renew(self.pool, self._tokenize, self._made_by)

    async def texts_numbered(
        self, numbers: Sequence[int]
    ) -> Sequence[tuple[int, tuple[str, str, str]]]:
        return await entries.texts(self.pool, numbers)

    async def entries_numbered(self, numbers: Sequence[int]) -> Sequence[FoundEntry]:
        return await entries.numbered(self.pool, numbers)

    async def days(self, since: datetime) -> Sequence[DayCount]:
        return await entries.days(self.pool, since)

    async def blob(self, name: str) -> bytes | None:
        return await entries.blob(self.pool, name)

    async def put_blobs(self, blobs: Mapping[str, bytes | None]) -> None:
        await self._write(partial(entries.put_blobs, blobs=blobs))

    # Outbox ------------------------------------------------------------------------------------
    async def enqueue(self, rows: Sequence[OutboxRow]) -> int:
        async def work(db: Connection) -> int:
            await cluster.require(db, self.config_hash)
            new = await outbox.add(db, rows)
            await self._announce(db, rows)
            return new

        return await self._write(work) if rows else 0

    async def outbox_due(
        self, now: datetime, limit: int, channels: Sequence[str] | None = None
    ) -> Sequence[OutboxRow]:
        return await outbox.due(self.pool, now, limit, channels)

    async def outbox_rows(
        self,
        states: Sequence[OutboxState] | None = None,
        channel: str | None = None,
        story_id: str | None = None,
        limit: int | None = None,
        newest: bool = False,
        since: datetime | None = None,
    ) -> Sequence[OutboxRow]:
        return await outbox.rows(self.pool, states, channel, story_id, limit, newest, since)

    async def outbox_next(self) -> datetime | None:
        return await outbox.next_at(self.pool)

    async def outbox_put(self, rows: Sequence[OutboxRow]) -> None:
        await self._holder.put(rows)

    async def outbox_stranded(self, channels: Sequence[str] | None = None) -> Sequence[OutboxRow]:
        return await self._holder.stranded(channels)

    async def outbox_holds(self, row_id: str) -> bool:
        return await self._holder.holds(row_id)

    async def outbox_forget(self, ids: Sequence[str]) -> int:
        return await self._write(partial(outbox.forget, ids=ids))

    async def outbox_counts(self) -> Mapping[OutboxState, int]:
        return await outbox.counts(self.pool)

    # Upkeep ------------------------------------------------------------------------------------
    async def prune(self, now: datetime, retention: Retention) -> Pruned:
        stories_before, alerts_before, seen_before = upkeep.limits(retention, now)
        gone = await upkeep.entries(self.pool, stories_before)
        seen = await upkeep.seen(self.pool, seen_before, retention.refreshed)
        used, have = await upkeep.size(self.pool)
        while used > retention.max_bytes and have:
            # What goes is estimated from the mean size of an entry, never less than a hundred.
            excess = max(100, -(-have * (used - retention.max_bytes) // used))
            gone += await upkeep.entries(self.pool, None, excess)
            used, have = await upkeep.size(self.pool)
        stories = await upkeep.stories(self.pool, stories_before)
        rows = await upkeep.outbox(self.pool, alerts_before)
        await upkeep.feeds(self.pool, seen_before)
        return Pruned(gone, stories, seen, rows, used)

    async def backup(self, target: str) -> None:
        """Write an SQLite copy: one file that ``db restore`` and SQLite both take."""
        async with AsyncExitStack() as stack:
            source = await snapshot_side(self.pool, self._tokenize)
            stack.push_async_callback(source.close)
            side = await file_side(Path(target), self._tokenize)
            stack.push_async_callback(side.close)
            await copy(source, side)

    async def check(self) -> Sequence[str]:
        return await upkeep.findings(self.pool)

    # Cluster -----------------------------------------------------------------------------------
    def leadership(self, name: str) -> Leadership:
        """Return the seat of which the cluster has one, called ``name``."""
        return Leadership(self.pool, name)

    def turn(self) -> AbstractAsyncContextManager[Turn]:
        """Wait for the one turn to decide about stories; see ``Turns``."""
        return self._turns.take()

    async def inbox_put(
        self, payloads: Sequence[bytes], feeds: Sequence[int], until: datetime
    ) -> None:
        """Keep what polls of ``feeds`` have brought until somebody's turn comes to decide about
        it; before ``until`` they aren't polled again."""
        await inbox.put(self.pool, payloads, feeds, until)

    async def inbox_take(self, limit: int) -> Sequence[tuple[int, bytes]]:
        """Return the oldest payloads with their numbers; for who has the turn."""
        return await self._write(partial(inbox.take, limit=limit))

    async def inbox_remove(self, ids: Sequence[int]) -> None:
        """Remove payloads that were decided."""
        await self._write(partial(inbox.remove, ids=ids))

    async def inbox_waiting(self, most: int) -> int:
        """Return how many payloads wait, counting no further than ``most``."""
        return await inbox.waiting(self.pool, most)


async def open_postgres(
    url: str,
    *,
    tokenize: Tokenize,
    steps: Sequence[Migration] | None = None,
    size: int = 8,
    patience: Patience | None = None,
) -> PgStore:
    """Open the store in the database at ``url``, making or migrating its tables where needed.

    Args:
        url: ``postgresql://user@host:port/database``; libpq's PG* variables fill what is absent.
        tokenize: cuts text into the tokens that are searched for.
        steps: the schema's migrations, the bundled ones unless given.
        size: how many connections this process may use for queries (two or three more hold locks).
        patience: how long silence is borne; the usual times unless given.

    Raises:
        NewerSchema: a newer version has written it.
        StateError: it can't be reached, is too old, or the user has not the rights.
    """
    pool = Pool(url, size=size, patience=patience)
    await pool.open()
    try:
        await migrate(pool, steps or bundled("postgres"))
    except BaseException:
        await pool.close()
        raise
    return PgStore(pool, tokenize)
