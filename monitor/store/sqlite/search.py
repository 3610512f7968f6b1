"""The text index: FTS5 over our own tokens, so that search and rules agree on what a word is.

Only postings are kept, not the text (``content=''``); what leaves the index is tokenised again to
find its postings. When the tokeniser changes between versions, the index is built anew.

The index runs behind the entries: to tokenise costs more than to store, and few texts are ever
searched for. It catches up before a search, and every hour. Entries are taken in by their numbers,
ascending, so that the largest number in the index says how far it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from monitor.store.rows import micros
from monitor.store.tokens import (
    MADE_BY,
    Tokenize,
    any_spelling,
    beginnings,
    encode,
    encoded,
    fingerprint,
    spelled,
)
from monitor.values import Word, Wording

NAME = "entries_text"
CHUNK = 500  # entries taken in by one transaction


class TextIndex:
    """Keeps the index in step with the entries."""

    def __init__(self, tokenize: Tokenize) -> None:
        self._tokenize = tokenize

    def encoded(self, text: str) -> str:
        """Return ``text`` as FTS5 is to see it."""
        return encoded(self._tokenize, text)

    def fingerprint(self) -> str:
        """Return a digest of how the tokeniser cuts a text with everything hard in it."""
        return fingerprint(self._tokenize)

    def add(self, db: sqlite3.Connection, row: Sequence[object]) -> None:
        """Add an entry, given as number, title, summary, content."""
        db.execute(
            f"INSERT INTO {NAME} (rowid, title, summary, content) VALUES (?, ?, ?, ?)",
            (row[0], *(self.encoded(str(field)) for field in row[1:4])),
        )

    def remove(self, db: sqlite3.Connection, rows: Iterable[Sequence[object]]) -> None:
        """Remove entries, given as number, title, summary, content as they were added."""
        db.executemany(
            f"INSERT INTO {NAME} ({NAME}, rowid, title, summary, content) "
            "VALUES ('delete', ?, ?, ?, ?)",
            ((row[0], *(self.encoded(str(field)) for field in row[1:4])) for row in rows),
        )

    def reaches(self, db: sqlite3.Connection) -> int:
        """Return the number of the last entry that is in the index; 0 for none."""
        return int(db.execute(f"SELECT max(id) FROM {NAME}_docsize").fetchone()[0] or 0)

    def lags(self, db: sqlite3.Connection) -> bool:
        """Tell whether there are entries that the index doesn't hold yet."""
        last = db.execute("SELECT max(seq) FROM entries").fetchone()[0]
        return last is not None and last > self.reaches(db)

    def catch_up(self, db: sqlite3.Connection) -> bool:
        """Take in the next entries; tells whether there were any."""
        rows = db.execute(
            "SELECT seq, title, summary, content FROM entries WHERE seq > ? ORDER BY seq LIMIT ?",
            (self.reaches(db), CHUNK),
        ).fetchall()
        for row in rows:
            self.add(db, row)
        return bool(rows)

    def keep_up(self, db: sqlite3.Connection) -> bool:
        """Empty the index if the tokeniser isn't the one that it was made with, so that it catches
        up from the beginning; tells whether it did."""
        mine = self.fingerprint().encode()
        row = db.execute("SELECT value FROM blobs WHERE name = ?", (MADE_BY,)).fetchone()
        if row is not None and bytes(row[0]) == mine:
            return False
        db.execute(f"INSERT INTO {NAME} ({NAME}) VALUES ('delete-all')")
        db.execute("INSERT OR REPLACE INTO blobs VALUES (?, ?)", (MADE_BY, mine))
        return True


def query(wording: Wording) -> str | bool:
    """Return the FTS5 query for a wording, or whether every text or none has it."""
    return spelled(wording, _word, " AND ", " OR ")


def _word(word: Word) -> str:
    if word.starts:
        return any_spelling((f'"{start}" *' for start in beginnings(word.text)), " OR ")
    return f'"{encode(word.text)}"'


def numbers_since(
    db: sqlite3.Connection, since: datetime, wording: Wording | None, limit: int | None
) -> Sequence[int]:
    """Return the numbers of entries from ``since`` on that have the wording, newest first."""
    wanted = True if wording is None else query(wording)
    if wanted is False:
        return []
    at, most = micros(since), -1 if limit is None else limit
    if wanted is True:
        rows = db.execute(
            "SELECT seq FROM entries WHERE first_seen >= ? ORDER BY first_seen DESC, seq DESC "
            "LIMIT ?",
            (at, most),
        )
    else:
        # Numbers grow with time, so that the index itself can leave out what is older. After the
        # clock was set back some of it comes along: it is few, and left out below.
        first = db.execute(
            "SELECT min(seq), max(seq) FROM entries WHERE first_seen >= ?", (at,)
        ).fetchone()
        if first[0] is None:
            return []
        rows = db.execute(
            f"SELECT rowid FROM {NAME} WHERE {NAME} MATCH ? AND rowid BETWEEN ? AND ? "
            "ORDER BY rowid DESC LIMIT ?",
            (wanted, *first, most),
        )
    return [row[0] for row in rows]
