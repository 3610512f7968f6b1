"""A document read into slots: its words looked up one by one, within bounds that keep a hostile
text from costing more than a long article.

What is read of a document depends on it alone, never on the documents before it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from monitor.rules.index.document import MEMO_CHUNK, Row, Slots, is_shouted
from monitor.rules.text.scan import paragraphs, surfaces_at
from monitor.values import TEXT_FIELDS

MAX_TOKENS = (1_000, 3_000, 8_000)
"""Tokens of title, summary and content that are looked at (an article of 8,000 words), a paragraph
break or a chunk without words counting as one."""
MAX_FRESH = 4_000
"""What the distinct words of a document may cost before the rest is left unread: 1 for an English
word, 2 for each token of anything else, as measured when the memo doesn't know them. An article of
10,000 English words has about 2,500 distinct ones."""
PUNCTUATION = '.,;:!?()[]{}"<>*'
"""What is stripped from a chunk before it is taken for one plain word."""
_BLOCK = 64
_BLOCK_LETTERS = 20 * _BLOCK
"""Letters of a block of chunks that may be looked up before it is known what they cost."""
_FEW = MAX_FRESH // 2
"""Tokens that can't exceed ``MAX_FRESH`` whatever they are."""

# What the memo says of a word: (forms of this word alone, edges of the forms that start with it,
# tests passed that forms ask for further on); None for a word that no form has.
Known = tuple[tuple[int, ...], tuple[dict[int, Any], ...], tuple[int, ...]]


class Odd(NamedTuple):
    """A blank-separated chunk that is not exactly one slot: hyphens, several words, or none.

    ``joined`` are words over several slots: (first slot, slots, what it is).
    """

    parts: list[Known | None]
    joined: list[tuple[int, int, Known]]


class Memo(dict[str, Any]):
    """What chunks pass, worked out by the trie's ``passes`` when first met.

    Doesn't keep its trie in memory: an old rule set must go without the garbage collector, which
    holds up everything else for as long as it looks at a hundred thousand rules.
    """

    def __init__(self, passes: Passes, languages: tuple[str, ...]) -> None:
        self._passes = weakref.WeakMethod(passes)
        self.languages = languages

    def __missing__(self, chunk: str) -> Any:
        passes = self._passes()
        assert passes is not None, "a document is read by a trie"
        known = passes(chunk, self)
        if len(chunk) <= MEMO_CHUNK:
            self[chunk] = known
        return known


Passes = Callable[[str, Memo], Known | Odd | None]
"""What a chunk passes."""
Jumps = dict[int, list[tuple[int, Known]]]
"""By slot: words that start there and span several slots."""


def read(slots: Slots, memo: Memo) -> tuple[list[Known | None], Jumps]:
    """Read a document: what stands in each slot, and the words that span several.

    Fills the slots' ``fields``, ``breaks``, ``rows`` and ``shouted``.
    """
    texts = [paragraphs(text) if (text := slots.text(name)) else [] for name in TEXT_FIELDS]
    read = _read(slots, texts, memo, None)
    if read is None:
        read = _read(slots, texts, memo, _Budget())
        assert read is not None
    return read


class _Budget:
    """What reading a document may still cost: ``tokens`` of this field, and ``fresh`` words."""

    def __init__(self) -> None:
        self.tokens = 0
        self.fresh = MAX_FRESH
        self.seen: set[str] = set()

    @property
    def left(self) -> bool:
        return self.tokens > 0 and self.fresh > 0

    def take(self, word: str, count: int) -> None:
        """Charge ``word``, which is ``count`` tokens."""
        self.tokens -= count or 1
        if word not in self.seen:
            self.seen.add(word)
            plain = word.isascii() and word.strip(PUNCTUATION).isalpha()
            self.fresh -= 1 if plain else 2 * (count or 1)


def _read(
    slots: Slots, texts: Sequence[list[list[str]]], memo: Memo, budget: _Budget | None
) -> tuple[list[Known | None], Jumps] | None:
    """Read all fields; without a budget only as long as no bound can be reached, else None."""
    row: list[Any] = []
    jumps: Jumps = {}
    fields: list[tuple[int, int]] = []
    breaks: list[int] = []
    rows: list[Row] = []
    tokens = 0  # read so far, or more; only counted without a budget
    for field, given in enumerate(texts):
        if field:
            breaks.append(len(row))
            row.append(None)
        low, before = len(row), tokens
        if budget is not None:
            budget.tokens = MAX_TOKENS[field]
        for number, chunks in enumerate(given):
            if number:
                tokens += 1
                if budget is not None:
                    budget.tokens -= 1
                    if not budget.left:
                        break
                breaks.append(len(row))
                row.append(None)
            here = Row(field, number, len(row), chunks)
            rows.append(here)
            if budget is not None:
                passed = _bounded(chunks, memo, budget)
                here.chunks = chunks[: len(passed)]
            elif (known := _unbounded(chunks, memo, tokens)) is None:
                return None
            else:
                passed = known
                tokens += len(passed)
            if Odd in map(type, passed):
                tokens += _unrolled(passed, row, jumps, here)
            else:
                row += passed
            here.count = len(row) - here.low
        if budget is None and (tokens > _FEW or tokens - before > MAX_TOKENS[field]):
            return None
        fields.append((low, len(row)))
    slots.fields = tuple(fields)
    slots.breaks = breaks
    slots.rows = rows
    slots.shouted = is_shouted(slots.text("title"), fields[0][1])
    return row, jumps


def _unrolled(passed: list[Any], row: list[Any], jumps: Jumps, here: Row) -> int:
    """Append what chunks of any number of slots passed; returns the slots of the odd ones."""
    kinds = list(map(type, passed))
    slots = done = 0
    for number in range(kinds.index(Odd), len(kinds)):
        if kinds[number] is Odd:
            row += passed[done:number]
            done = number + 1
            each = passed[number]
            for offset, spanned, word in each.joined:
                jumps.setdefault(len(row) + offset, []).append((spanned, word))
            here.odd.append((len(each.parts), number))
            here.odd_at.append(len(row) - here.low)
            row += each.parts
            slots += len(each.parts)
    row += passed[done:]
    return slots


def _unbounded(chunks: list[str], memo: Memo, before: int) -> list[Any] | None:
    """Look up all chunks; None as soon as they might exceed a bound."""
    get = memo.__getitem__
    passed: list[Any] = []
    for start in range(0, len(chunks), _BLOCK):
        block = chunks[start : start + _BLOCK] if len(chunks) > _BLOCK else chunks
        if before + start > _FEW or sum(map(len, block)) > _BLOCK_LETTERS:
            return None
        passed += map(get, block)
    return passed


def _bounded(chunks: Iterable[str], memo: Memo, budget: _Budget) -> list[Any]:
    """Look up the first chunks, as many as the budget allows."""
    passed: list[Any] = []
    for chunk in chunks:
        if not budget.left:
            break
        if len(chunk) > MEMO_CHUNK:
            passed.append(_long(chunk, memo, budget))
            continue
        known = memo[chunk]
        budget.take(chunk, len(known.parts) if known.__class__ is Odd else 1)
        passed.append(known)
    return passed


def _long(chunk: str, memo: Memo, budget: _Budget) -> Odd:
    """Look up a long chunk (a sentence of Chinese) token by token."""
    out = Odd([], [])
    for surface, _, _ in surfaces_at(chunk):
        if not budget.left:
            break
        budget.take(surface, joined_to(out, memo[surface]))
    return out


def joined_to(out: Odd, known: Any) -> int:
    """Append what a token is to ``out``; returns how many slots it has."""
    if known.__class__ is not Odd:
        out.parts.append(known)
        return 1
    base = len(out.parts)
    out.joined.extend((base + first, span, word) for first, span, word in known.joined)
    out.parts.extend(known.parts)
    return len(known.parts)
