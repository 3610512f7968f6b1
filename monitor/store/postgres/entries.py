"""Polls, entries, stories, matches and named values in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from monitor.failpoints import failpoint
from monitor.store.port import (
    Beginning,
    DayCount,
    FoundEntry,
    PollCommit,
    SeenKey,
    StoredEntry,
    StoryRow,
)
from monitor.store.postgres import bulk, feeds, outbox
from monitor.store.postgres.bulk import insert, replacing, unique
from monitor.store.postgres.pool import Connection, Pool, run
from monitor.store.postgres.search import query, vector
from monitor.store.rows import (
    BEGINNING_COLUMNS,
    DAY_MICROS,
    ENTRY_COLUMNS,
    KINDS,
    STORY_COLUMNS,
    beginning,
    day_counts,
    entry_row,
    found_entry,
    match_of,
    match_row,
    micros,
    poll_day,
    seen_key,
    story_columns,
    story_row,
    text,
    url_spellings,
)
from monitor.store.tokens import Tokenize
from monitor.values import Match, Wording

FOUND = (
    "SELECT "
    + ", ".join(f"e.{name}" for name in ENTRY_COLUMNS.split(", "))
    + ", (SELECT key FROM feeds WHERE feeds.id = e.feed_id), "
    "(SELECT coalesce(json_agg(m.rule ORDER BY m.rule), '[]')::text FROM matches AS m "
    "WHERE m.entry_id = e.id) FROM entries AS e"
)
NUMBERED = FOUND.replace(" FROM entries AS e", ", e.seq FROM entries AS e")


async def seen(pool: Pool, feed_id: int, keys: Sequence[bytes]) -> Mapping[bytes, SeenKey]:
    """Return those of ``keys`` that the feed has seen."""
    rows = await pool.rows(
        "SELECT kind, key, entry_id FROM seen WHERE feed_id = %s AND key = ANY(%s::bytea[])",
        (feed_id, list(keys)),
    )
    return {bytes(row[1]): seen_key(*row) for row in rows}


async def commit(db: Connection, tokenize: Tokenize, polls: Sequence[PollCommit]) -> None:
    """Store all that ``polls`` change: one statement for each table."""
    await feeds.update(db, [poll.state for poll in polls])
    await _remember(db, polls)
    for _ in polls:
        failpoint("in_txn")
    await _put_entries(db, tokenize, [each for poll in polls for each in poll.entries])
    matches = (match_row(each.entry_id, each.match) for poll in polls for each in poll.matches)
    await insert(
        db,
        "matches",
        bulk.MATCHES,
        unique(matches, 2),
        replacing(bulk.MATCHES, "entry_id", "rule"),
    )
    await put_stories(db, [each for poll in polls for each in poll.stories])
    await put_blobs(db, {name: value for poll in polls for name, value in poll.blobs})
    forgotten = {row for poll in polls for row in poll.forget}
    await outbox.withdraw(db, sorted(forgotten))
    # A later poll of the batch may take back what an earlier one wanted to tell.
    await outbox.add(db, [row for poll in polls for row in poll.outbox if row.id not in forgotten])


async def _remember(db: Connection, polls: Sequence[PollCommit]) -> None:
    days = {poll.state.id: poll_day(poll.state) for poll in polls if poll.seen or poll.touched}
    keys = (
        (poll.state.id, each.key, KINDS.index(each.kind), days[poll.state.id], each.entry_id)
        for poll in polls
        for each in poll.seen
    )
    await insert(
        db,
        "seen",
        bulk.SEEN,
        unique(keys, 2),
        "ON CONFLICT (feed_id, key) DO UPDATE SET kind = excluded.kind, "
        "day = greatest(seen.day, excluded.day), entry_id = excluded.entry_id",
    )
    touched = unique(
        ((poll.state.id, key, days[poll.state.id]) for poll in polls for key in poll.touched), 2
    )
    columns = {"feed_id": "bigint", "key": "bytea", "day": "bigint"}
    if touched:
        await run(
            db,
            f"UPDATE seen AS s SET day = v.day FROM {bulk.unnest(columns)} "
            "WHERE s.feed_id = v.feed_id AND s.key = v.key AND s.day < v.day",
            bulk.arrays(columns, touched),
        )
    columns = {"id": "bigint", "day": "bigint"}
    if days:
        await run(
            db,
            f"UPDATE feeds AS f SET parsed_day = v.day FROM {bulk.unnest(columns)} "
            "WHERE f.id = v.id AND f.parsed_day < v.day",
            bulk.arrays(columns, sorted(days.items())),
        )


async def _put_entries(db: Connection, tokenize: Tokenize, stored: Sequence[StoredEntry]) -> None:
    rows = [entry_row(each) for each in {each.id: each for each in stored}.values()]
    await insert(
        db,
        "entries",
        bulk.ENTRIES,
        [(*row, vector(tokenize, *row[9:12])) for row in rows],
        replacing(bulk.ENTRIES, "id"),
    )


async def put_stories(db: Connection, stories: Sequence[StoryRow]) -> None:
    """Store stories."""
    rows = unique((story_columns(each) for each in stories), 1)
    await insert(db, "stories", bulk.STORIES, rows, replacing(bulk.STORIES, "id"))


async def stories_since(pool: Pool, since: datetime) -> Sequence[StoryRow]:
    """Return stories last seen at or after ``since``, oldest first."""
    rows = await pool.rows(
        f"SELECT {STORY_COLUMNS} FROM stories WHERE last_seen >= %s ORDER BY last_seen, id",
        (micros(since),),
    )
    return [story_row(row) for row in rows]


async def since(pool: Pool, at: datetime, limit: int | None) -> Sequence[FoundEntry]:
    """Return entries first seen at or after ``at``, oldest first."""
    rows = await pool.rows(
        f"{FOUND} WHERE e.first_seen >= %s ORDER BY e.first_seen, e.seq LIMIT %s",
        (micros(at), limit),
    )
    return [found_entry(row) for row in rows]


async def matched(
    pool: Pool,
    at: datetime,
    rules: Sequence[str],
    after: str,
    limit: int | None,
    *,
    newest: bool,
) -> Sequence[FoundEntry]:
    """Return entries with a match from (``at``, ``after``) on, by when they were first seen."""
    which = " AND m.rule = ANY(%s::text[])" if rules else ""
    order = "DESC" if newest else "ASC"
    rows = await pool.rows(
        f"{FOUND} WHERE e.first_seen >= %s AND (e.first_seen, e.id) > (%s, %s) "
        f"AND EXISTS (SELECT 1 FROM matches m WHERE m.entry_id = e.id{which}) "
        f"ORDER BY e.first_seen {order}, e.id {order} LIMIT %s",
        (micros(at), micros(at), after, *([list(rules)] if rules else ()), limit),
    )
    return [found_entry(row) for row in rows]


async def baselined(pool: Pool, at: datetime, limit: int) -> Sequence[Beginning]:
    """Return the last ``limit`` entries of first runs from ``at`` on, oldest first."""
    rows = await pool.rows(
        f"SELECT {BEGINNING_COLUMNS} FROM entries WHERE first_seen >= %s AND baseline = 1 "
        "ORDER BY first_seen DESC, id DESC LIMIT %s",
        (micros(at), limit),
    )
    return [beginning(row) for row in rows][::-1]


async def of_story(pool: Pool, story_id: str) -> Sequence[FoundEntry]:
    """Return a story's entries, oldest first."""
    rows = await pool.rows(
        f"{FOUND} WHERE e.story_id = %s ORDER BY e.first_seen, e.seq", (story_id,)
    )
    return [found_entry(row) for row in rows]


async def matches_of(pool: Pool, entry_id: str) -> Sequence[Match]:
    """Return the matches of an entry, by rule."""
    rows = await pool.rows(
        "SELECT rule, score, key, hits FROM matches WHERE entry_id = %s ORDER BY rule",
        (entry_id,),
    )
    return [match_of(row) for row in rows]


async def find(pool: Pool, text_or_url: str, limit: int) -> Sequence[FoundEntry]:
    """Return entries by id or URL, newest first."""
    asked = text(text_or_url)
    rows = await pool.rows(
        f"{FOUND} WHERE e.seq IN (SELECT seq FROM entries WHERE id = %s "
        "UNION SELECT seq FROM entries WHERE url = ANY(%s::text[])) "
        "ORDER BY e.first_seen DESC, e.seq DESC LIMIT %s",
        (asked, list(url_spellings(asked)), limit),
    )
    return [found_entry(row) for row in rows]


async def numbers_since(
    pool: Pool, at: datetime, wording: Wording | None, limit: int | None, unknown_below: int
) -> Sequence[int]:
    """Return the numbers of entries from ``at`` on that have the wording, newest first, and of all
    those below ``unknown_below``."""
    wanted = True if wording is None else query(wording)
    if wanted is False:
        return []
    has: str = "true"
    args: tuple[object, ...] = ()
    if wanted is not True:
        has, args = "tokens @@ %s::tsquery", (wanted,)
        if unknown_below:
            has, args = f"({has} OR seq < %s)", (wanted, unknown_below)
    rows = await pool.rows(
        f"SELECT seq FROM entries WHERE {has} AND first_seen >= %s "
        "ORDER BY first_seen DESC, seq DESC LIMIT %s",
        (*args, micros(at), limit),
    )
    return [row[0] for row in rows]


async def numbered(pool: Pool, numbers: Sequence[int]) -> Sequence[FoundEntry]:
    """Return the entries of ``numbers`` that are still there, in that order."""
    rows = await pool.rows(f"{NUMBERED} WHERE e.seq = ANY(%s::bigint[])", (list(numbers),))
    found = {row[-1]: found_entry(row) for row in rows}
    return [found[number] for number in numbers if number in found]


async def texts(pool: Pool, numbers: Sequence[int]) -> Sequence[tuple[int, tuple[str, str, str]]]:
    """Return the titles, summaries and contents of the entries of ``numbers``, by number."""
    rows = await pool.rows(
        "SELECT seq, title, summary, content FROM entries WHERE seq = ANY(%s::bigint[])",
        (list(numbers),),
    )
    return [(row[0], (row[1], row[2], row[3])) for row in rows]


async def days(pool: Pool, at: datetime) -> Sequence[DayCount]:
    """Return how many entries each day brought from ``at`` on, oldest first.

    One day at a time: how many groups there are, the planner can't tell of a computed day, and it
    would sort all of a month's entries.
    """
    since = micros(at)
    return day_counts(
        await pool.rows(
            "SELECT d.day, f.story_kind, f.count FROM generate_series(%s::bigint, "
            f"(SELECT max(first_seen) / {DAY_MICROS} FROM entries)) AS d (day) "
            "CROSS JOIN LATERAL (SELECT story_kind, count(*) AS count FROM entries "
            f"WHERE first_seen >= greatest(d.day * {DAY_MICROS}, %s) "
            f"AND first_seen < (d.day + 1) * {DAY_MICROS} AND baseline = 0 "
            "GROUP BY story_kind) AS f ORDER BY 1",
            (since // DAY_MICROS, since),
        )
    )


async def blob(pool: Pool, name: str) -> bytes | None:
    """Return a named value."""
    rows = await pool.rows("SELECT value FROM blobs WHERE name = %s", (name,))
    return bytes(rows[0][0]) if rows else None


async def put_blobs(db: Connection, blobs: Mapping[str, bytes | None]) -> None:
    """Store named values; None removes one."""
    gone = [name for name, value in blobs.items() if value is None]
    if gone:
        await run(db, "DELETE FROM blobs WHERE name = ANY(%s::text[])", (gone,))
    kept = unique(((name, value) for name, value in blobs.items() if value is not None), 1)
    await insert(db, "blobs", bulk.BLOBS, kept, replacing(bulk.BLOBS, "name"))
