"""One phrase trie over all forms of all rules, walked once per document.

A memo per distinct chunk says which tests it passes and where in the trie they start, so that a
word which no rule knows costs one dictionary look-up. News has few distinct words (measured: 70,000
in 3 million), so the expensive Unicode work is done about once a word.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress
from typing import Any

from monitor.rules.index.document import Slots
from monitor.rules.index.reading import PUNCTUATION, Jumps, Known, Memo, Odd, joined_to, read
from monitor.rules.index.vocabulary import Vocabulary
from monitor.rules.terms import STOP_WORDS
from monitor.rules.text.fold import analyse, fold
from monitor.rules.text.scan import surfaces
from monitor.rules.tree import Form

MEMO_LIMIT = 400_000
"""Distinct chunks remembered before the memo starts anew; bounds memory against feeds of
random words."""
_MANY = 4
MAX_OCCURRENCES = 300
"""Occurrences of one form kept per document; bounds time on a text that repeats a word for ever."""

Spans = dict[int, list[tuple[int, int]]]
"""By form number: (first, last) slots, inclusive, in order."""
# A trie node is [form number or -1, edges or None]; edges lead from a test's number to a node.
_Node = list[Any]
_Row = list[Known | None]


class Trie:
    """Finds all forms, overlaps included, with their slots.

    Grows only: ``add`` forms, then ``settle``. A document that another thread reads meanwhile is
    read with the old forms, and maybe some of the new ones.
    """

    def __init__(self) -> None:
        self.forms: dict[Form, int] = {}
        self.names: list[Form] = []
        self._vocabulary = Vocabulary()
        self._root: dict[int, _Node] = {}
        self._further: set[int] = set()
        self._memos: dict[tuple[str, ...], Memo] = {}
        self._shared: dict[tuple[int, ...], Known] = {}
        self._shouted: set[int] = set()

    def add(self, form: Form) -> int:
        """Add a form (a no-op if it is known); returns its number."""
        number = self.forms.get(form)
        if number is not None:
            return number
        number = len(self.names)
        edges = self._root
        node: _Node = []
        last = len(form) - 1
        for position, test in enumerate(form):
            key = self._vocabulary.number(test)
            found = edges.get(key)
            if found is None:
                found = edges[key] = [-1, None]
            if position:
                self._further.add(key)
            node = found
            if position < last:
                if node[1] is None:
                    node[1] = {}
                edges = node[1]
        node[0] = number
        if len(form) == 1 and form[0][0] == "e" and fold(form[0][1]) in STOP_WORDS:
            self._shouted.add(number)
        self.names.append(form)
        self.forms[form] = number
        return number

    def settle(self) -> None:
        """Forget what is remembered of words: forms were added that they may pass."""
        self._memos = {}
        self._shared = {}

    @property
    def stems(self) -> bool:
        """Whether any form asks for Snowball stems, so that the language of a text matters."""
        return self._vocabulary.stems

    def find(self, slots: Slots, languages: tuple[str, ...] = ("en",)) -> Spans:
        """Return, for each form that occurs, its (first, last) slots in order.

        Fills the slots. ``languages`` are the ISO 639-1 codes whose stems count.
        """
        key = languages if self.stems else ()
        memo = self._memos.get(key)
        if memo is None or len(memo) > MEMO_LIMIT:
            memo = self._memos[key] = Memo(self.passes, languages)
        row, jumps = read(slots, memo)
        out: Spans = {}
        last = len(row)
        row.append(None)
        for at, (singles, starts, _) in compress(enumerate(row), row):  # type: ignore[misc]
            for form in singles:
                if form in out:
                    out[form].append((at, at))
                else:
                    out[form] = [(at, at)]
            if starts:
                following = row[at + 1]
                if following is not None:
                    tests = following[2]
                    for edges in starts:
                        for test in tests:
                            if test in edges:
                                form, onward = edges[test]
                                if form >= 0:
                                    if form in out:
                                        out[form].append((at, at + 1))
                                    else:
                                        out[form] = [(at, at + 1)]
                                if onward:
                                    self._onward(onward, row, jumps, at, at + 1, out)
                if jumps and at + 1 in jumps:
                    for edges in starts:
                        self._jump(edges, row, jumps, at, at + 1, out)
        if jumps:
            for at, joined in jumps.items():
                for spanned, (singles, starts, _) in joined:
                    end = at + spanned - 1
                    for form in singles:
                        out.setdefault(form, []).append((at, end))
                    for edges in starts:
                        self._onward(edges, row, jumps, at, end, out)
            for spans in out.values():
                spans.sort()
        if slots.shouted and self._shouted:
            self._hush(slots, out)
        if last > MAX_OCCURRENCES:
            for spans in out.values():
                del spans[MAX_OCCURRENCES:]
        return out

    def _hush(self, slots: Slots, out: Spans) -> None:
        """Take the exact terms that a headline in capitals says nothing about out of it: "US", but
        not "U.S."."""
        title, text = slots.fields[0][1], slots.text("title")
        for form in self._shouted.intersection(out):
            out[form] = [
                span
                for span in out[form]
                if span[0] >= title or "." in text[slice(*slots.text_range(*span)[1:])]
            ]
            if not out[form]:
                del out[form]

    def _onward(
        self,
        edges: dict[int, _Node],
        row: _Row,
        jumps: Jumps,
        start: int,
        at: int,
        out: Spans,
    ) -> None:
        """Go on over ``edges``, which the slots ``start`` to ``at`` led to."""
        following = row[at + 1]
        if following is not None:
            for test in following[2]:
                if test in edges:
                    form, onward = edges[test]
                    if form >= 0:
                        out.setdefault(form, []).append((start, at + 1))
                    if onward:
                        self._onward(onward, row, jumps, start, at + 1, out)
        if jumps and at + 1 in jumps:
            self._jump(edges, row, jumps, start, at + 1, out)

    def _jump(
        self,
        edges: dict[int, _Node],
        row: _Row,
        jumps: Jumps,
        start: int,
        at: int,
        out: Spans,
    ) -> None:
        """Go on over a word that spans several slots from ``at`` on."""
        for spanned, (_, _, tests) in jumps[at]:
            end = at + spanned - 1
            for test in tests:
                if test in edges:
                    form, onward = edges[test]
                    if form >= 0:
                        out.setdefault(form, []).append((start, end))
                    if onward:
                        self._onward(onward, row, jumps, start, end, out)

    def passes(self, chunk: str, memo: Memo) -> Known | Odd | None:
        """Return what the memo keeps of a blank-separated chunk."""
        languages = memo.languages
        core = chunk.strip(PUNCTUATION)
        if core.isascii() and core.isalpha():
            return self._known(core, (core.lower(),), languages)
        found = surfaces(chunk)
        if len(found) > _MANY:  # a sentence of Chinese: its characters repeat, so they are kept
            run = Odd([], [])
            for surface in found:
                joined_to(run, memo[surface])
            return run
        words = [analyse(surface) for surface in found]
        if len(words) == 1 and len(words[0].parts) == 1:
            part = words[0].parts[0]
            return self._known(part.exact, part.folds, languages)
        out = Odd([], [])
        for word in words:
            base = len(out.parts)
            for each in word.joined:
                known = self._known(each.exact, each.folds, languages)
                if known is not None:
                    out.joined.append((base + each.first, each.last - each.first + 1, known))
            out.parts.extend(
                [self._known(part.exact, part.folds, languages) for part in word.parts]
            )
        return out

    def _known(self, exact: str, folds: Iterable[str], languages: tuple[str, ...]) -> Known | None:
        shared = self._shared  # first: what is worked out from old forms mustn't reach a new one
        found = self._vocabulary.passed(exact, folds, languages)
        if not found:
            return None
        tests = tuple(dict.fromkeys(found)) if len(found) > 1 else (found[0],)
        known = shared.get(tests)
        if known is None:
            root = self._root
            nodes = [root[test] for test in tests if test in root]
            singles = tuple([form for form, _ in nodes if form >= 0])
            starts = tuple([edges for _, edges in nodes if edges])
            further = self._further
            known = (singles, starts, tuple([test for test in tests if test in further]))
            shared[tests] = known
        return known
