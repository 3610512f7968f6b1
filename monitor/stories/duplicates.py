"""Is this the same article, in another outlet or edited? Two-word shingles and an inverted index.

A copy is found by shingles that both texts have among their smallest hashes (a bottom-k sketch: a
truncated copy keeps its share of them), then scored by a logistic combination of cheap measures.
Weights: see ``monitor.stories.weights``. Cost doesn't grow with the window: posting lists are
capped at their newest, and only the best candidates are scored.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import mul

from monitor.stories.terms import Features, hashed
from monitor.stories.weights import DUPLICATE, DUPLICATE_BIAS

SKETCH = 12  # smallest hashes of the text's pairs that are indexed
TITLE_SKETCH = 6  # and of the title's
POSTINGS = 40  # newest entries kept for one hash; boilerplate is in every entry of a feed
VISITED = 100  # entries counted over all hashes; the rarest hashes come first
ONCE = 2  # scored of those that share one hash only: hundreds do, and hardly one is a copy
CANDIDATES = 10  # scored of those that share hashes
# Below so many pairs a text is too short to be judged by: the titles must be equal.
SHORT_TEXT = 8
TELLING_TITLE = 4  # words; shorter titles recur
# Titles of at least so many words that say something may differ a little, or one be cut short.
LONG_TITLE = 5
LIKE_TITLE = 0.8  # of their words shared (Jaccard)
CUT_TITLE = 0.9  # of the shorter one's pairs found in the other
# An address that two entries share speaks for one article when their titles share this much.
SAME_URL_TITLE = 0.5


@dataclass(frozen=True, slots=True)
class Record:
    """An entry in the window: who it is, and what of its features duplicates are judged by.

    ``root`` is the first entry of the same text (itself for an original), ``at`` is its time in
    seconds. ``url`` is a hash of the canonical address or 0, ``title_hash`` of the folded headline
    or 0 for a short one. The arrays are sorted.
    """

    doc_id: str
    story_id: str
    root: str
    source: str
    at: float
    key: str | None
    url: int
    title_hash: int
    title: array[int]
    title_pairs: array[int]
    pairs: array[int]
    runs: array[int]
    numbers: array[int]


def sketch_of(record: Record) -> list[int]:
    """Return the hashes a record is indexed and looked up by."""
    found = [*record.pairs[:SKETCH], *record.title_pairs[:TITLE_SKETCH]]
    if record.url:
        found.append(record.url)
    if record.title_hash:
        found.append(record.title_hash)
    return found


def record_of(
    doc_id: str,
    story_id: str,
    root: str,
    source: str,
    at: float,
    key: str | None,
    url: str | None,
    features: Features,
) -> Record:
    """Return the record of an entry."""
    telling = features.normal_title.count(" ") + 1 >= TELLING_TITLE
    return Record(
        doc_id, story_id, root, source, at, key,
        hashed(f"url {url}") if url else 0,
        hashed(f"title {features.normal_title}") if telling else 0,
        *(
            array("I", sorted(given))
            for given in (
                features.title, features.title_pairs, features.pairs, features.runs,
                features.numbers,
            )
        ),
    )  # fmt: skip


class DuplicateWindow:
    """The records of the last days, oldest first, found by what they share."""

    def __init__(self) -> None:
        self._records: dict[int, Record] = {}
        self._order: deque[int] = deque()
        self._next = 0
        self._postings: dict[int, int | deque[int]] = {}

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Record]:
        return (self._records[number] for number in self._order)

    def add(self, record: Record) -> None:
        """Take a record in; records must come in the order of their time."""
        number = self._next
        self._next += 1
        self._records[number] = record
        self._order.append(number)
        for each in sketch_of(record):
            held = self._postings.get(each)
            if held is None:
                self._postings[each] = number
            elif isinstance(held, int):
                self._postings[each] = deque((held, number), POSTINGS)
            else:
                held.append(number)

    def expire(self, before: float, most: int) -> list[Record]:
        """Forget the records from before ``before`` and all but ``most``; returns them."""
        gone: list[Record] = []
        while self._order and (
            len(self._order) > most or self._records[self._order[0]].at < before
        ):
            number = self._order.popleft()
            record = self._records.pop(number)
            gone.append(record)
            for each in sketch_of(record):
                held = self._postings.get(each)
                if isinstance(held, int):
                    if held == number:
                        del self._postings[each]
                elif held is not None:
                    if held and held[0] == number:
                        held.popleft()
                    if not held:
                        del self._postings[each]
        return gone

    def find(self, record: Record, live: Callable[[str], bool]) -> tuple[float, Record] | None:
        """Return the score and record of the entry whose text ``record`` repeats, if any.

        Only records with the same ``key``, of stories that are ``live``, are considered; of equal
        scores the oldest wins.
        """
        numbers: list[int] = []
        common: list[deque[int]] = []
        # An address or a headline in common counts twice.
        for each in (*sketch_of(record), record.url, record.title_hash):
            held = self._postings.get(each)
            if isinstance(held, int):
                numbers.append(held)
            elif held is not None:
                common.append(held)
        for held in sorted(common, key=len):
            if len(numbers) > VISITED:
                break
            numbers += held
        best: tuple[float, Record] | None = None
        measured = _Measured(record)
        for number in _most_common(numbers):
            other = self._records[number]
            if other.key != record.key or not live(other.story_id):
                continue
            score = measured.score(other)
            if score >= 0 and (best is None or score > best[0]):
                best = (score, other)
        return best


def _most_common(numbers: list[int]) -> list[int]:
    """Return the candidates: the numbers that came most often, of equals the greatest first.

    Hundreds come once (boilerplate); sorting bare integers is what keeps that cheap.
    """
    counts = Counter(numbers)
    ranked = sorted([(-count, -number) for number, count in counts.items() if count > 1])
    best = [-number for _, number in ranked[:CANDIDATES]]
    room = min(ONCE, CANDIDATES - len(best))
    if room > 0:
        once = [number for number, count in counts.items() if count == 1]
        best += sorted(once, reverse=True)[:room]
    return best


class _Measured:
    """A new record's sets, compared with one candidate after the other; most need only one set."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.all = frozenset(record.pairs).union(record.title_pairs)

    @cached_property
    def title(self) -> frozenset[int]:
        return frozenset(self.record.title)

    @cached_property
    def title_pairs(self) -> frozenset[int]:
        return frozenset(self.record.title_pairs)

    @cached_property
    def pairs(self) -> frozenset[int]:
        return frozenset(self.record.pairs)

    @cached_property
    def runs(self) -> frozenset[int]:
        return frozenset(self.record.runs)

    @cached_property
    def numbers(self) -> frozenset[int]:
        return frozenset(self.record.numbers)

    def score(self, other: Record) -> float:
        """Return the log-odds that both are one article; negative: they are not."""
        mine = self.record
        if min(len(mine.pairs), len(other.pairs)) < SHORT_TEXT:
            return self._by_title(other)
        if mine.url and mine.url == other.url and self._titles(other) >= SAME_URL_TITLE:
            return 10.0
        return -1.0 if self._is_other(other) else logit(self.measures(other))

    def _is_other(self, other: Record) -> bool:
        """Tell by the pairs shared alone that no value of the rest could make a copy of it."""
        mine = self.record
        smaller = min(len(self.all), len(other.pairs))  # or a few more, with the title's pairs
        count = len(self.all.intersection(other.pairs))
        count += len(self.all.intersection(other.title_pairs))
        runs = min(len(mine.runs), len(other.runs))
        return count < _least_shared(smaller, runs, len(mine.numbers) + len(other.numbers))

    def measures(self, other: Record) -> tuple[float, ...]:
        """Return the measures that the weights are for, in their order."""
        others = frozenset(other.pairs) | frozenset(other.title_pairs)
        shared = len(self.all & others)
        smaller = max(1, min(len(self.all), len(others)))
        runs = len(self.runs.intersection(other.runs))
        numbers = len(self.numbers.symmetric_difference(other.numbers))
        return (
            shared / smaller,
            len(self.pairs.intersection(other.pairs)) / min(len(self.pairs), len(other.pairs)),
            runs / max(1, min(len(self.runs), len(other.runs))),
            self._titles(other),
            numbers / 10,
            max(
                len(self.title_pairs & others) / max(1, len(self.title_pairs)),
                len(self.all.intersection(other.title_pairs)) / max(1, len(other.title_pairs)),
            ),
            math.log1p(shared),
            math.log1p(smaller),
            math.log1p(runs),
        )

    def _titles(self, other: Record) -> float:
        """Return how much two titles have in common (Jaccard over words that say something)."""
        union = len(self.title.union(other.title))
        return len(self.title.intersection(other.title)) / union if union else 0.0

    def _by_title(self, other: Record) -> float:
        """Return the log-odds for texts too short to judge by: their titles decide."""
        mine = self.record
        if len(mine.pairs) >= SHORT_TEXT:
            return -1.0  # an article is no copy of a bare headline, which may have been another's
        if mine.title_hash and mine.title_hash == other.title_hash:
            return 5.0
        alike = self._titles(other)
        if mine.url and mine.url == other.url and alike >= SAME_URL_TITLE:
            return 4.0
        if min(len(mine.title), len(other.title)) < LONG_TITLE:
            return -1.0
        shorter = min(len(mine.title_pairs), len(other.title_pairs))
        inside = len(self.title_pairs.intersection(other.title_pairs)) >= shorter * CUT_TITLE
        return 2.0 if alike >= LIKE_TITLE or inside else -1.0


@lru_cache(maxsize=10_000)
def _least_shared(smaller: int, runs: int, numbers: int) -> int:
    """Return how many pairs two texts must share to be one article, all else speaking for it.

    Args:
        smaller: pairs of the smaller one.
        runs: runs of the one that has fewer.
        numbers: numbers in both together, at most so many are in one only.
    """
    for count in range(smaller):
        most = (
            count / smaller,
            0.0,
            min(1.0, count / max(1, runs)),  # each run shared is made of pairs shared
            1.0,
            numbers / 10,
            1.0,
            math.log1p(count),
            math.log1p(smaller),
            math.log1p(min(runs, count)),
        )
        if logit(most) >= 0:
            return count
    return smaller


def logit(measures: tuple[float, ...]) -> float:
    """Return the weighted sum of the measures."""
    total: float = DUPLICATE_BIAS + sum(map(mul, measures, DUPLICATE))
    return total
