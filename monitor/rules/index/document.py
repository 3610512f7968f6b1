"""One document made ready for rules: a row of token slots over all fields, and lazily what few rules
ask for (character offsets, paragraphs, sentences)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right

from monitor.rules.text.fold import analyse
from monitor.rules.text.scan import readable, surfaces, surfaces_at
from monitor.values import TEXT_FIELDS, Document, TextField

MAX_FIELD = 150_000
"""Characters of a field that are looked at (an article of 25,000 words); bounds the time a story can
take (measured: 60 ms for 150,000 characters)."""
_SENTENCE_END = re.compile(r"[.!?…。！？؟।]['\"’”»)\]]*")
# A full stop after these ends no sentence.
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof gen col lt sgt capt sen rep gov pres st jr sr inc ltd corp co vs etc no fig dept "
    "jan feb mar apr jun jul aug sep sept oct nov dec mt ft approx est min max al dlrs pct".split()
)


class Slots:
    """The token slots of a document: title, break, summary, break, content.

    ``fields`` gives each field's half-open range of slots, ``breaks`` the slots that are paragraph or
    field breaks, ascending; both are filled by ``Trie.find``, which reads the tokens anyway.
    """

    __slots__ = (
        "_offsets",
        "_sentences",
        "breaks",
        "document",
        "fields",
        "shouted",
        "surfaces",
    )

    def __init__(self, document: Document) -> None:
        self.document = document
        self.surfaces = tuple(
            surfaces(text[:MAX_FIELD]) if text else []
            for text in (document.title, document.summary, document.content)
        )
        self.fields: tuple[tuple[int, int], ...] = ()
        self.breaks: list[int] = []
        self.shouted = is_shouted(document.title, len(self.surfaces[0]))
        self._offsets: list[tuple[int, int]] | None = None
        self._sentences: list[int] | None = None

    def text(self, name: TextField) -> str:
        """Return the part of a field's text that is looked at."""
        return self.document.text(name)[:MAX_FIELD]

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

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Code-point ranges of all slots, each in its field's text; (-1, -1) for breaks."""
        if self._offsets is None:
            out: list[tuple[int, int]] = []
            for name in TEXT_FIELDS:
                if out or name != "title":
                    out.append((-1, -1))
                for surface, start, _end in surfaces_at(self.text(name)):
                    parts = analyse(surface).parts
                    if not parts:
                        out.append((-1, -1))
                    for part in parts:
                        out.append((start + part.start, start + part.end))
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
            for name, (low, high) in zip(TEXT_FIELDS, self.fields, strict=True):
                if low == high:
                    continue
                starts.add(low)
                text = readable(self.text(name))
                begins = [self.offsets[i][0] for i in range(low, high)]
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

    def text_range(self, first: int, last: int) -> tuple[TextField, int, int]:
        """Return (field, start, end) of the slots ``first`` to ``last`` inclusive."""
        return self.field_of(first), self.offsets[first][0], self.offsets[last][1]


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
