"""Entries that were there before a feed was watched, until a later one makes their story matter.

A first poll brings dozens of entries, and to look for the story of each costs more than all the
rest of the poll. Most never meet another entry. So they sleep: only the words of their headlines
are kept, and an entry that shares two of them wakes them, so that their stories are looked for
before its own. What an event's headlines have in common is hardly ever less (measured on labelled
streams: ``benchmarks/quality.py``).
"""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime

from monitor.stories.stopwords import STOP
from monitor.stories.weights import WINDOW
from monitor.stories.words import words
from monitor.values import Document

# An index that holds fewer entries takes them all: what is common in the news is to be learned
# first, and few entries cost little. From some hundreds on stories are found as well as with all
# (B-cubed of what follows .868 to .876 against .882, and .851 with none at all).
AWAKE = 500
MAX_SLEEPERS = 100_000  # the oldest beyond it are forgotten, as in the window of entries
SHARED = 2  # words that wake
FEW = 4  # words of a headline; with fewer the start of the text helps out
TEXT = 400  # characters of a text that are looked at for a sleeper
LIVE_TEXT = 2_000  # characters of text of what may wake
STEM = 5  # letters of a word that count: an attack wakes "attacked"
# A word in so many headlines, and in this share of them, wakes nothing alone with another such.
COMMON, COMMON_SHARE = 300, 0.02


class Sleepers:
    """The sleeping entries by the words of their headlines; oldest first."""

    def __init__(self) -> None:
        # A hundred thousand sleep after many first polls, so they are numbered and words shared:
        # some 450 bytes each.
        self._numbers: dict[str, int] = {}
        self._words: dict[int, tuple[str, ...]] = {}  # the entry's id, then its words
        self._at: deque[tuple[datetime, int]] = deque()
        self._by_word: dict[str, array[int]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._numbers

    def add(self, entry_id: str, title: str, text: str, first_seen: datetime) -> None:
        """Put an entry to sleep; not one first seen before those that sleep already."""
        found = _terms(title)
        if len(found) < FEW:
            found |= _terms(text[:TEXT])
        shared = [sys.intern(word) for word in found]
        number = self._numbers[entry_id] = self._next
        self._next += 1
        self._words[number] = (entry_id, *shared)
        self._at.append((first_seen, number))
        for word in shared:
            holders = self._by_word.get(word)
            if holders is None:
                holders = self._by_word[word] = array("Q")
            holders.append(number)
        while len(self._numbers) > MAX_SLEEPERS:
            self._drop(self._at.popleft()[1])

    def wake(self, title: str, text: str) -> list[str]:
        """Return, and forget, the entries that may be about the same as this, oldest first."""
        if not self._numbers:
            return []
        given = _terms(title) | _terms(text[:LIVE_TEXT])
        common = max(COMMON, COMMON_SHARE * len(self._words))
        meets: set[int] = set()
        for word in given:
            holders = self._by_word.get(word)
            if holders is not None and len(holders) <= common:
                meets.update(holders)
        woken = [each for each in meets if len(given.intersection(self._words[each][1:])) >= SHARED]
        ids = sorted(self._words[each][0] for each in woken)
        for each in woken:
            self._drop(each)
        return ids

    def expire(self, now: datetime) -> None:
        """Forget the entries whose stories are over."""
        while self._at and now - self._at[0][0] > WINDOW:
            self._drop(self._at.popleft()[1])

    def _drop(self, number: int) -> None:
        if number not in self._words:
            return
        entry_id, *found = self._words.pop(number)
        del self._numbers[entry_id]
        for word in found:
            holders = self._by_word[word]
            holders.remove(number)
            if not holders:
                del self._by_word[word]


def text_of(document: Document) -> str:
    """Return the text of a document that may wake or be woken."""
    summary = document.summary
    return summary if len(summary) >= TEXT else f"{summary}\n{document.content[:LIVE_TEXT]}"


def _terms(text: str) -> set[str]:
    return set(_spelled(words(text)))


def _spelled(found: Iterable[str]) -> Iterator[str]:
    """Yield the beginnings of words that say something, and pairs of characters where a script has
    no blanks."""
    before = ""
    for word in found:
        if len(word) > 1:
            if word not in STOP:
                yield word[:STEM]
            before = ""
        else:
            if before and not word.isascii():
                yield before + word
            before = word
