"""One document made ready for rules: a row of token slots over all fields, and lazily what few
rules ask for (character offsets, paragraphs, sentences)."""

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
"""Characters of a field that are looked at; bounds the time a story can take."""
MEMO_CHUNK = 40
"""Longer chunks (a sentence of Chinese, a pasted hash) are read token by token."""
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
    """The slots of one paragraph: ``count`` of them from ``low`` on, read from ``chunks``.

    ``odd`` lists the chunks that are not exactly one slot: (number of slots, number of the chunk);
    ``odd_at`` the slots at which they begin, counted from ``low``.
    """

    __slots__ = ("chunks", "count", "field", "low", "number", "odd", "odd_at", "starts")

    def __init__(self, field: int, number: int, low: int, chunks: list[str]) -> None:
        self.field = field
        self.number = number
        self.low = low
        self.chunks = chunks
        self.count = 0
        self.odd: list[tuple[int, int]] = []
        self.odd_at: list[int] = []
        self.starts: list[int] | None = None


class Slots:
    """The token slots of a document: title, break, summary, break, content.

    ``fields`` gives each field's half-open range of slots, ``breaks`` the slots that are
    paragraph or field breaks, ascending, ``rows`` the paragraphs; ``shouted`` says whether the
    headline is in capitals. ``monitor.rules.index.reading`` fills them.
    """

    __slots__ = (
        "_long",
        "_lows",
        "_offsets",
        "_repeats",
        "_sentences",
        "_texts",
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
        self._lows: list[int] | None = None
        self._long: dict[str, tuple[list[tuple[int, int]], Iterator[tuple[int, int]]]] = {}
        self._texts: dict[int, tuple[str, list[tuple[int, int]]]] = {}
        self._offsets: list[tuple[int, int]] | None = None
        self._sentences: list[int] | None = None
        self._repeats: bool | None = None

    def text(self, name: TextField) -> str:
        """Return the part of a field's text that is looked at."""
        text = self.document.text(name)
        return text if len(text) <= MAX_FIELD else text[:MAX_FIELD]

    @property
    def summary_repeats(self) -> bool:
        """Whether the content contains the summary word for word."""
        if self._repeats is None:
            summary = self.text("summary").strip()
            self._repeats = bool(summary) and summary in self.document.content
        return self._repeats

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
        start, end = self._range(row, first - row.low)
        if last != first:
            end = self._range(row, last - row.low)[1]
        return TEXT_FIELDS[row.field], start, end

    def _range(self, row: Row, slot: int) -> tuple[int, int]:
        """Return the range of a paragraph's slot, counted from its first."""
        number, part = slot, 0
        if row.odd:
            at = bisect_right(row.odd_at, slot) - 1
            if at >= 0:
                part = slot - row.odd_at[at]
                count, number = row.odd[at]
                if part >= count:
                    number, part = number + 1 + part - count, 0
        chunk = row.chunks[number]
        start = (row.starts or self._starts(row))[number]
        if chunk.isascii() and chunk.isalpha():  # the first costs nothing
            return start, start + len(chunk)
        low, high = self._parts(chunk, part + 1)[part]
        return start + low, start + high

    def _starts(self, row: Row) -> list[int]:
        """Return where the chunks of a paragraph start in their field's text."""
        texts = self._texts.get(row.field)
        if texts is None:
            text = readable(self.text(TEXT_FIELDS[row.field]))
            texts = self._texts[row.field] = (text, paragraph_ranges(text))
        (start, end), chunks = texts[1][row.number], row.chunks
        lengths = list(map(len, chunks))
        if end - start == sum(lengths) + len(chunks) - 1:
            # One blank between chunks and none around: lengths alone tell where each starts.
            ends = accumulate(lengths, initial=start)
            row.starts = [end + blanks for blanks, end in enumerate(ends)]
        else:
            row.starts = chunk_starts(texts[0], chunks, start)
        return row.starts

    def _parts(self, chunk: str, count: int) -> Sequence[tuple[int, int]]:
        """Return the ranges of the first ``count`` words of a chunk, or more."""
        if len(chunk) <= MEMO_CHUNK:
            return chunk_offsets(chunk)
        known, rest = self._long.setdefault(chunk, ([], _offsets_in(chunk)))
        if count > len(known):
            known += islice(rest, count - len(known))
        return known

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Code-point ranges of all slots, each in its field's text; (-1, -1) for breaks."""
        if self._offsets is None:
            out = [(-1, -1)] * self.fields[2][1]
            for row in self.rows:
                if row.count:
                    out[row.low : row.low + row.count] = self._ranges(row)
            self._offsets = out
        return self._offsets

    def _ranges(self, row: Row) -> list[tuple[int, int]]:
        """Return the ranges of all slots of a paragraph."""
        slots_of = {number: count for count, number in row.odd}
        out: list[tuple[int, int]] = []
        starts = row.starts or self._starts(row)
        for number, (start, chunk) in enumerate(zip(starts, row.chunks, strict=False)):
            if chunk.isascii() and chunk.isalpha():
                out.append((start, start + len(chunk)))
            elif count := slots_of.get(number, 1):
                parts = self._parts(chunk, count)[:count]
                out += [(start + low, start + high) for low, high in parts]
        return out

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
                located = self._texts.get(field)  # by the offsets, where there are words
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
