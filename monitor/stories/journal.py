"""The window's entries as named values in the store, so that a restart finds the same window.

Entries are written in slots of a few, one value a slot; a commit rewrites only the slot it added
to. Slots are numbered on and on and take their names in a ring, so that old ones are written over.
The document frequencies are stored now and then; the terms of the entries since then are in the
slots, so that they can be brought up to the last entry.
"""

from __future__ import annotations

import json
import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from struct import unpack

from monitor.stories.duplicates import Record

HEAD = "stories/head"
FREQUENCIES = "stories/df"
PER_SLOT = 16  # entries; about 15 KB, what a commit of one new entry writes
RING = 8_192  # names of slots: more than the window's largest size fills
VERSION = 1


@dataclass(frozen=True, slots=True)
class Head:
    """Where the journal stands.

    ``low`` and ``next`` are the numbers of the oldest entry still needed and of the next to come;
    ``counted`` entries are in the stored document frequencies; ``now`` is the latest time seen, in
    seconds; ``clear`` and ``asked`` are the clusters' running share (None: none yet).
    """

    low: int = 0
    next: int = 0
    counted: int = 0
    now: float = 0.0
    clear: float | None = None
    asked: int = 0

    def to_bytes(self) -> bytes:
        return json.dumps([VERSION, *astuple(self)]).encode()

    @classmethod
    def from_bytes(cls, data: bytes | None) -> Head:
        """Return the head that was stored; an empty one for none or another version's."""
        if not data:
            return cls()
        version, *rest = json.loads(data)
        return cls(*rest) if version == VERSION else cls()


def slot_of(number: int) -> int:
    """Return the slot that entry ``number`` is in."""
    return number // PER_SLOT


def slot_name(slot: int) -> str:
    """Return the name a slot is stored under."""
    return f"stories/log/{slot % RING}"


def slot_to_bytes(lines: Iterable[bytes]) -> bytes:
    """Return a slot's value."""
    return b"\n".join(lines)


def slot_from_bytes(data: bytes | None) -> list[bytes]:
    """Return the entries of a slot."""
    return data.split(b"\n") if data else []


def entry_to_bytes(number: int, record: Record, terms: Sequence[str]) -> bytes:
    """Return one entry of the journal (one line of JSON)."""
    arrays = (record.title, record.title_pairs, record.pairs, record.runs, record.numbers)
    return json.dumps(
        [
            number, record.doc_id, record.story_id, record.root, record.source, record.at,
            record.key, record.url, record.title_hash, *map(_packed, arrays), list(terms),
        ]
    ).encode()  # fmt: skip


def entry_from_bytes(line: bytes) -> tuple[int, Record, list[str]]:
    """Return the number, the record and the terms that ``entry_to_bytes`` wrote."""
    number, doc_id, story_id, root, source, at, key, url, title_hash, *rest = json.loads(line)
    arrays = [_unpacked(each) for each in rest[:5]]
    record = Record(doc_id, story_id, root, source, at, key, url, title_hash, *arrays)
    return number, record, rest[5]


def _packed(given: array[int]) -> str:
    if sys.byteorder == "big":
        given = given[:]
        given.byteswap()
    return b64encode(given).decode()


def _unpacked(text: str) -> array[int]:
    raw = b64decode(text)
    return array("I", unpack(f"<{len(raw) // 4}I", raw))
