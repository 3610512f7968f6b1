"""One document made ready for rules: a row of token slots over all fields, and lazily what few
rules
ask for (character offsets, paragraphs, sentences)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, islice

from monitor.rules.text.fold import analyse
from monitor.rules.text.scan import chunk_starts, paragraph_ranges, readable, surfaces_at
from monitor.values import TEXT_FIELDS, Document, TextField

MAX_FIELD = 50_000
"""Characters of a field that are looked at (an article of 25,000 words); bounds the time a story
can
take."""
MAX_TOKENS = (1_000, 3_000, 8_000)
"""Tokens of title, summary and content that are looked at (an article of 8,000 words), a
paragraph
break or a chunk without words counting as one."""
MAX_FRESH = 4_000
"""What the distinct words of a document may cost before the rest is left unread: 1 for an English
word, 2 for each token of anything else, as measured when the memo doesn't know them. An article
of
10,000 English words has about 2,500 distinct ones."""
MEMO_CHUNK = 40
"""Longer chunks (a sentence of Chinese, a pasted hash) are read token by token."""
_FEW = 4
"""Places asked for in a paragraph before all of its chunks are located at once."""
_SENTENCE_END = re.compile(r"[.!?…。！？؟।]['\"’”»)\]]*")
# A full stop after these ends no sentence.
_ABBREVIATIONS = frozenset(
    str.split(
        """
    mr mrs ms dr prof gen col lt sgt capt sen rep gov pres st jr sr inc ltd corp co vs etc
    no fig dept jan feb mar apr jun jul aug sep sept oct nov dec mt ft approx est min max al
    dlrs pct
    """
    )
)


class Row:
    """The slots of one paragraph: ``low`` is its first slot, ``odd`` the chunks (by number) that
    are not
    exactly one slot, with the number of slots that they are."""

    __slots__ = ("asked", "chunks", "field", "letters", "low", "number", "odd", "starts")

    def __init__(self, field: int, number: int, low: int, chunks: list[str]) -> None:
        self.field = field
        self.number = number
        self.low = low
        self.chunks = chunks
        self.odd: list[tuple[int, int]] = []
        self.starts: list[int] | None = None
        self.asked = 0
        self.letters = -1


class Slots:
    """The token slots of a document: title, break, summary, break, content.

    ``fields`` gives each field's half-open range of slots, ``breaks`` the slots that are
    paragraph or field breaks, ascending, ``rows`` the paragraphs; ``shouted`` says whether the
    headline is in capitals. ``Trie.find`` fills them, since it reads the tokens anyway.
    """

    __slots__ = (
        "_long",
        "_lows",
        "_offsets",
        "_ranges",
        "_sentences",
        "breaks",
        "document",
        "fields",
        "rows",
        "shouted",
    )

    def __init__(self, document: Document) -> None:
        self.document = document
        self.fields: tuple[tuple[int, int], ...] = ()
        self.breaks: list[int] = []
        self.rows: list[Row] = []
        self.shouted = False
        self._long: dict[str, tuple[list[tuple[int, int]], Iterator[tuple[int, int]]]] = {}
        self._lows: list[int] | None = None
        self._ranges: dict[int, tuple[str, list[tuple[int, int]]]] = {}
        self._offsets: list[tuple[int, int]] | None = None
        self._sentences: list[int] | None = None

    def text(self, name: TextField) -> str:
        """Return the part of a field's text that is looked at."""
        text = self.document.text(name)
        return text if len(text) <= MAX_FIELD else text[:MAX_FIELD]

    @property
    def summary_repeats(self) -> bool:
        """Whether the content contains the summary word for word."""
        summary = self.document.summary.strip()
        return bool(summary) and summary in self.document.content

    def field_of(self, slot: int) -> TextField:
        """Return the field that a slot lies in."""
        if slot < self.fields[0][1]:
            return "title"
        return "summary" if slot < self.fields[1][1] else "content"

    def text_range(self, first: int, last: int) -> tuple[TextField, int, int]:
        """Return (field, start, end) of the slots ``first`` to ``last`` inclusive, in code
        points."""
        if self._lows is None:
            self._lows = [row.low for row in self.rows]
        row = self.rows[bisect_right(self._lows, first) - 1]
        start, end = self._range(row, first)
        if last != first:
            end = self._range(row, last)[1]
        return TEXT_FIELDS[row.field], start, end

    def _range(self, row: Row, slot: int) -> tuple[int, int]:
        chunk, part = slot - row.low, 0
        for odd, count in row.odd:
            if chunk < odd:
                break
            if chunk < odd + count:
                chunk, part = odd, chunk - odd
                break
            chunk -= count - 1
        text = row.chunks[chunk]
        at = self._start(row, chunk)
        if len(text) <= MEMO_CHUNK and text.isascii() and text.isalnum():
            return at, at + len(text)
        start, end = self._parts(text, part + 1)[part]
        return at + start, at + end

    def _parts(self, chunk: str, count: int) -> Sequence[tuple[int, int]]:
        """Return the ranges of the first ``count`` words of a chunk, or more."""
        if len(chunk) <= MEMO_CHUNK:
            return chunk_offsets(chunk)
        known, rest = self._long.setdefault(chunk, ([], _offsets_in(chunk)))
        if count > len(known):
            known += islice(rest, count - len(known))
        return known

    def _start(self, row: Row, chunk: int) -> int:
        if row.starts is not None:
            return row.starts[chunk]
        row.asked += 1
        text, start, end = self._paragraph_text(row)
        # One blank between chunks and none around: lengths alone tell where each one starts.
        tight = end - start == row.letters + len(row.chunks) - 1
        if row.asked <= _FEW:
            if tight:
                return start + sum(map(len, row.chunks[:chunk])) + chunk
            word = row.chunks[chunk]
            at = text.index(word, start)
            if text.find(word, at + 1, end) < 0:
                return at
        row.starts = (
            [start, *accumulate(len(each) + 1 for each in row.chunks[:-1])]
            if tight and not start
            else chunk_starts(text, row.chunks, start)
        )
        return row.starts[chunk]

    def _paragraph_text(self, row: Row) -> tuple[str, int, int]:
        """Return the field's text and the range of the paragraph in it."""
        known = self._ranges.get(row.field)
        if known is None:
            text = readable(self.text(TEXT_FIELDS[row.field]))
            known = self._ranges[row.field] = (text, paragraph_ranges(text))
        if row.letters < 0:
            row.letters = sum(map(len, row.chunks))
        start, end = known[1][row.number]
        return known[0], start, end

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Code-point ranges of all slots, each in its field's text; (-1, -1) for breaks."""
        if self._offsets is None:
            out = [(-1, -1)] * self.fields[2][1]
            for row in self.rows:
                odd = dict(row.odd)
                slot = row.low
                for number, chunk in enumerate(row.chunks):
                    count = odd.get(number, 1)
                    if count:
                        at = self._start(row, number)
                        for a, b in self._parts(chunk, count)[:count]:
                            out[slot] = (at + a, at + b)
                            slot += 1
            self._offsets = out
        return self._offsets

    def paragraph(self, slot: int) -> int:
        """Return the number of the paragraph a slot lies in, counted over the document."""
        return bisect_left(self.breaks, slot)

    @property
    def sentence_starts(self) -> list[int]:
        """First slots of sentences, ascending; a paragraph break starts one, too."""
        if self._sentences is None:
            starts = {0}
            for field, (low, high) in enumerate(self.fields):
                if low == high:
                    continue
                starts.add(low)
                begins = [self.offsets[i][0] for i in range(low, high)]
                located = self._ranges.get(field)  # by the offsets, where there are words
                text = located[0] if located else readable(self.text(TEXT_FIELDS[field]))
                known = [(start, low + i) for i, start in enumerate(begins) if start >= 0]
                places = [start for start, _ in known]
                for found in _SENTENCE_END.finditer(text):
                    after = bisect_left(places, found.end())
                    if after >= len(known) or after == 0:
                        continue
                    start, slot = known[after]
                    if _ends_sentence(text, found, start, self.offsets[known[after - 1][1]]):
                        starts.add(slot)
            for each in self.breaks:
                starts.add(each + 1)
            self._sentences = sorted(starts)
        return self._sentences

    def sentence(self, slot: int) -> int:
        """Return the number of the sentence a slot lies in."""
        return bisect_right(self.sentence_starts, slot)


@lru_cache(maxsize=65_536)
def chunk_offsets(chunk: str) -> tuple[tuple[int, int], ...]:
    """Return the ranges of the word positions in a blank-separated chunk."""
    return tuple(_offsets_in(chunk))


def _offsets_in(chunk: str) -> Iterator[tuple[int, int]]:
    for surface, start, _ in surfaces_at(chunk):
        for part in analyse(surface).parts:
            yield start + part.start, start + part.end


def is_shouted(title: str, tokens: int) -> bool:
    """Whether a headline is in capitals: three words or more and no small letter."""
    return tokens >= 3 and title.isupper() and sum(map(str.isalpha, title)) >= 8


def _ends_sentence(
    text: str, found: re.Match[str], next_start: int, previous: tuple[int, int]
) -> bool:
    mark = found[0][0]
    if mark in "。！？؟।…":
        return mark != "…" or text[next_start].isupper()
    between = text[found.end() : next_start]
    if not between or not any(char.isspace() for char in between):
        return False
    if text[next_start].islower():
        return False
    if mark == ".":
        word = text[previous[0] : previous[1]]
        if word.lower().strip(".") in _ABBREVIATIONS:
            return False
        if len(word) == 1 and word.isupper():
            return False  # an initial: "J. Smith"
    return True
