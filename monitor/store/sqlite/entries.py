"""Polls, entries, stories, matches and named values in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeVar

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
    url_spellings,
)
from monitor.store.sqlite import feeds, outbox
from monitor.store.sqlite.search import TextIndex
from monitor.values import Match

T = TypeVar("T")
# Variables in one statement: SQLITE_MAX_VARIABLE_NUMBER is 32,766 since 3.32; older builds 999.
CHUNK = 900
_ENTRY_SET = ", ".join(f"{name} = excluded.{name}" for name in ENTRY_COLUMNS.split(", ")[1:])
_STORY_SET = ", ".join(f"{name} = excluded.{name}" for name in STORY_COLUMNS.split(", ")[1:])
FOUND = (
    "SELECT "
    + ", ".join(f"e.{name}" for name in ENTRY_COLUMNS.split(", "))
    + ", (SELECT key FROM feeds WHERE feeds.id = e.feed_id), "
    "(SELECT json_group_array(rule) FROM matches WHERE matches.entry_id = e.id) FROM entries e"
)
_KINDS = {kind: number for number, kind in enumerate(KINDS)}
NUMBERED = FOUND.replace(" FROM entries e", ", e.seq FROM entries e")


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Yield ``items`` in lists of at most ``size``."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def marks(count: int) -> str:
    """Return ``?, ?, …`` for ``count`` values."""
    return ", ".join("?" * count)


def seen(db: sqlite3.Connection, feed_id: int, keys: Sequence[bytes]) -> Mapping[bytes, SeenKey]:
    """Return those of ``keys`` that the feed has seen."""
    found: dict[bytes, SeenKey] = {}
    for part in chunks(keys):
        rows = db.execute(
            "SELECT kind, key, entry_id FROM seen "
            f"WHERE feed_id = ? AND key IN ({marks(len(part))})",
            (feed_id, *part),
        )
        found.update((bytes(row[1]), seen_key(*row)) for row in rows)
    return found


def commit(db: sqlite3.Connection, index: TextIndex, polls: Sequence[PollCommit]) -> None:
    """Store all that ``polls`` change: one statement for each table."""
    feeds.update(db, [poll.state for poll in polls])
    for _ in polls:
        failpoint("in_txn")
    told = [poll for poll in polls if poll != PollCommit(poll.state)]  # most bring nothing
    if not told:
        return
    _remember(db, told)
    _put_entries(db, index, [each for poll in told for each in poll.entries])
    db.executemany(
        "INSERT OR REPLACE INTO matches (entry_id, rule, score, key, hits) VALUES (?, ?, ?, ?, ?)",
        (match_row(each.entry_id, each.match) for poll in told for each in poll.matches),
    )
    _put_stories(db, {each.story.id: each for poll in told for each in poll.stories}.values())
    put_blobs(db, {name: value for poll in told for name, value in poll.blobs})
    forgotten = {row for poll in told for row in poll.forget}
    outbox.withdraw(db, sorted(forgotten))
    # A later poll of the batch may take back what an earlier one wanted to tell.
    outbox.add(db, [row for poll in told for row in poll.outbox if row.id not in forgotten])


def _remember(db: sqlite3.Connection, polls: Sequence[PollCommit]) -> None:
    days = {poll.state.id: poll_day(poll.state) for poll in polls if poll.seen or poll.touched}
    db.executemany(
        "INSERT INTO seen (feed_id, key, kind, day, entry_id) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (feed_id, key) DO UPDATE "
        "SET kind = excluded.kind, day = max(day, excluded.day), entry_id = excluded.entry_id",
        (
            (poll.state.id, each.key, _KINDS[each.kind], days[poll.state.id], each.entry_id)
            for poll in polls
            for each in sorted(poll.seen, key=_by_key)  # in the table's order: pages fill up
        ),
    )
    db.executemany(
        "UPDATE seen SET day = ? WHERE feed_id = ? AND key = ? AND day < ?",
        (
            (day, poll.state.id, key, day)
            for poll in polls
            if poll.touched and (day := days[poll.state.id])
            for key in poll.touched
        ),
    )
    db.executemany(
        "UPDATE feeds SET parsed_day = ? WHERE id = ? AND parsed_day < ?",
        ((day, feed_id, day) for feed_id, day in days.items()),
    )


_PUT_ENTRY = (
    f"INSERT INTO entries ({ENTRY_COLUMNS}) VALUES ({marks(len(ENTRY_COLUMNS.split(',')))}) "
    f"ON CONFLICT (id) DO UPDATE SET {_ENTRY_SET}"
)


def _by_key(each: SeenKey) -> bytes:
    return each.key


def _put_entries(db: sqlite3.Connection, index: TextIndex, stored: Sequence[StoredEntry]) -> None:
    for part in chunks(stored):
        old = db.execute(
            "SELECT seq, title, summary, content FROM entries "
            f"WHERE id IN ({marks(len(part))}) AND seq <= ?",
            (*[each.id for each in part], index.reaches(db)),
        ).fetchall()
        index.remove(db, old)
        db.executemany(_PUT_ENTRY, [entry_row(each) for each in part])
        for row in old:
            index.add(
                db,
                db.execute(
                    "SELECT seq, title, summary, content FROM entries WHERE seq = ?", row[:1]
                ).fetchone(),
            )


def _put_stories(db: sqlite3.Connection, stories: Iterable[StoryRow]) -> None:
    db.executemany(
        f"INSERT INTO stories ({STORY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) "
        f"ON CONFLICT (id) DO UPDATE SET {_STORY_SET}",
        (story_columns(each) for each in stories),
    )


def stories_since(db: sqlite3.Connection, since: datetime) -> Sequence[StoryRow]:
    """Return stories last seen at or after ``since``, oldest first."""
    rows = db.execute(
        f"SELECT {STORY_COLUMNS} FROM stories WHERE last_seen >= ? ORDER BY last_seen, id",
        (micros(since),),
    )
    return [story_row(row) for row in rows]


def since(db: sqlite3.Connection, at: datetime, limit: int | None) -> Sequence[FoundEntry]:
    """Return entries first seen at or after ``at``, oldest first."""
    rows = db.execute(
        f"{FOUND} WHERE e.first_seen >= ? ORDER BY e.first_seen, e.seq LIMIT ?",
        (micros(at), -1 if limit is None else limit),
    )
    return [found_entry(row) for row in rows]


def matched(
    db: sqlite3.Connection,
    at: datetime,
    rules: Sequence[str],
    after: str,
    limit: int | None,
    *,
    newest: bool,
) -> Sequence[FoundEntry]:
    """Return entries with a match from (``at``, ``after``) on, by when they were first seen."""
    which = f"rule IN ({marks(len(rules))})" if rules else "true"
    order = "DESC" if newest else "ASC"
    # Few entries match: where all are asked for, SQLite is to begin with them (CROSS JOIN keeps the
    # order as written); where a few are, with the entries in their order.
    source, wanted = (
        "entries e",
        f"EXISTS (SELECT 1 FROM matches WHERE entry_id = e.id AND {which})",
    )
    if limit is None:
        source = (
            f"(SELECT DISTINCT entry_id FROM matches WHERE {which}) AS m "
            "CROSS JOIN entries e ON e.id = m.entry_id"
        )
        wanted = "true"
    times = (micros(at), micros(at), after)
    rows = db.execute(
        f"{FOUND.replace(' FROM entries e', f' FROM {source}')} "
        f"WHERE e.first_seen >= ? AND (e.first_seen, e.id) > (?, ?) AND {wanted} "
        f"ORDER BY e.first_seen {order}, e.id {order} LIMIT ?",
        (*rules, *times, -1) if limit is None else (*times, *rules, limit),
    )
    return [found_entry(row) for row in rows]


def numbered(db: sqlite3.Connection, numbers: Sequence[int]) -> Sequence[FoundEntry]:
    """Return the entries of ``numbers`` that are still there, in that order."""
    found: dict[int, FoundEntry] = {}
    for part in chunks(numbers):
        rows = db.execute(f"{NUMBERED} WHERE e.seq IN ({marks(len(part))})", part)
        found.update((row[-1], found_entry(row)) for row in rows)
    return [found[number] for number in numbers if number in found]


def texts(
    db: sqlite3.Connection, numbers: Sequence[int]
) -> Sequence[tuple[int, tuple[str, str, str]]]:
    """Return the titles, summaries and contents of the entries of ``numbers``, by number."""
    return [
        (row[0], row[1:])
        for part in chunks(numbers)
        for row in db.execute(
            f"SELECT seq, title, summary, content FROM entries WHERE seq IN ({marks(len(part))})",
            part,
        )
    ]


def days(db: sqlite3.Connection, at: datetime) -> Sequence[DayCount]:
    """Return how many entries each day brought from ``at`` on, oldest first."""
    return day_counts(
        db.execute(
            f"SELECT first_seen / {DAY_MICROS}, story_kind, count(*) FROM entries "
            "WHERE first_seen >= ? AND baseline = 0 GROUP BY 1, 2 ORDER BY 1",
            (micros(at),),
        )
    )


def baselined(db: sqlite3.Connection, at: datetime, limit: int) -> Sequence[Beginning]:
    """Return the last ``limit`` entries of first runs from ``at`` on, oldest first."""
    rows = db.execute(
        f"SELECT {BEGINNING_COLUMNS} FROM entries WHERE first_seen >= ? AND baseline = 1 "
        "ORDER BY first_seen DESC, id DESC LIMIT ?",
        (micros(at), limit),
    )
    return [beginning(row) for row in rows][::-1]


def of_story(db: sqlite3.Connection, story_id: str) -> Sequence[FoundEntry]:
    """Return a story's entries, oldest first."""
    rows = db.execute(f"{FOUND} WHERE e.story_id = ? ORDER BY e.first_seen, e.seq", (story_id,))
    return [found_entry(row) for row in rows]


def matches_of(db: sqlite3.Connection, entry_id: str) -> Sequence[Match]:
    """Return the matches of an entry, by rule."""
    rows = db.execute(
        "SELECT rule, score, key, hits FROM matches WHERE entry_id = ? ORDER BY rule", (entry_id,)
    )
    return [match_of(row) for row in rows]


def find(db: sqlite3.Connection, text_or_url: str, limit: int) -> Sequence[FoundEntry]:
    """Return entries by id or URL, newest first."""
    urls = url_spellings(text_or_url)
    rows = db.execute(
        f"{FOUND} WHERE e.seq IN (SELECT seq FROM entries WHERE id = ? "
        f"UNION SELECT seq FROM entries WHERE url IN ({marks(len(urls))})) "
        "ORDER BY e.first_seen DESC, e.seq DESC LIMIT ?",
        (urls[0], *urls, limit),
    )
    return [found_entry(row) for row in rows]


def blob(db: sqlite3.Connection, name: str) -> bytes | None:
    """Return a named value."""
    row = db.execute("SELECT value FROM blobs WHERE name = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])


def put_blobs(db: sqlite3.Connection, blobs: Mapping[str, bytes | None]) -> None:
    """Store named values; None removes one."""
    for name, value in blobs.items():
        if value is None:
            db.execute("DELETE FROM blobs WHERE name = ?", (name,))
        else:
            db.execute("INSERT OR REPLACE INTO blobs VALUES (?, ?)", (name, value))
