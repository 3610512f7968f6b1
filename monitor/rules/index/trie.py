"""One phrase trie over all forms of all rules, walked once per document.

Token tests are interned as small integers; a memo per distinct surface token says which tests it
passes and where in the trie they start, so that a word which no rule knows costs one dictionary
look-up. News has few distinct words (measured: 70,000 in 3 million), so the expensive Unicode
work is done about once a word.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import Any

from monitor.rules.index.document import (
    MAX_FRESH,
    MAX_TOKENS,
    MEMO_CHUNK,
    Row,
    Slots,
    is_shouted,
)
from monitor.rules.terms import STOP_WORDS
from monitor.rules.text.fold import analyse, fold
from monitor.rules.text.inflect import singular, stem
from monitor.rules.text.scan import paragraphs, surfaces, surfaces_at
from monitor.rules.tree import Form, Test
from monitor.values import TEXT_FIELDS

MEMO_LIMIT = 400_000
"""Distinct chunks remembered before the memo starts anew; bounds memory against feeds of
random words."""
_MANY = 4
_SHORT = min(MAX_TOKENS[0], MAX_FRESH // 2)
"""Characters of a document that can't exceed any bound, so that nothing need be counted."""
MAX_OCCURRENCES = 300
"""Occurrences of one form kept per document; bounds time on a text that repeats a word for ever."""

_PUNCTUATION = '.,;:!?()[]{}"<>*'
# A trie node is [form number or -1, edges or None]; edges lead from a test's number to a node.
_Node = list[Any]
# What the memo says of a word: (forms of this word alone, edges of the forms that start with it,
# tests passed); None for a word that no form has.
_Plain = tuple[tuple[int, ...], tuple[dict[int, _Node], ...], tuple[int, ...]]


class _Odd:
    """A blank-separated chunk that is not exactly one slot: hyphens, several words, or none."""

    __slots__ = ("joined", "parts")

    def __init__(self, parts: list[_Plain | None], joined: list[tuple[int, int, _Plain]]) -> None:
        self.parts = parts
        self.joined = joined


class _Budget:
    """What reading a document may still cost: ``tokens`` of this field, and ``fresh`` words."""

    __slots__ = ("fresh", "seen", "tokens")

    def __init__(self) -> None:
        self.tokens = 0
        self.fresh = MAX_FRESH
        self.seen: set[str] = set()

    @property
    def left(self) -> bool:
        return self.tokens > 0 and self.fresh > 0

    def take(self, word: str, count: int) -> None:
        """Charge ``word``, which is ``count`` tokens. Never asks what the memo happens to know:
        what is read of a document must not depend on the documents before it."""
        self.tokens -= count or 1
        if word not in self.seen:
            self.seen.add(word)
            plain = word.isascii() and word.strip(_PUNCTUATION).isalpha()
            self.fresh -= 1 if plain else 2 * (count or 1)


class _Memo(dict[str, Any]):
    """What chunks pass, worked out when first met."""

    def __init__(self, trie: Trie, language: str) -> None:
        self._trie = trie
        self._language = language

    def __missing__(self, chunk: str) -> Any:
        known = self._trie.passes(chunk, self._language)
        if len(chunk) <= MEMO_CHUNK:
            self[chunk] = known
        return known


class Trie:
    """Finds all forms, overlaps included, with their slots."""

    def __init__(self) -> None:
        self.forms: dict[Form, int] = {}
        self.names: list[Form] = []
        self._tests: dict[str, dict[str, int]] = {}
        self._count = 0
        self._root: dict[int, _Node] = {}
        self._prefixes: set[str] = set()
        self._globs: dict[str, re.Pattern[str]] = {}
        self._lengths: tuple[int, ...] = ()
        self._memos: dict[str, _Memo] = {}
        self._shared: dict[tuple[int, ...], _Plain | None] = {}
        self._shouted: set[int] = set()

    def add(self, form: Form) -> int:
        """Add a form (a no-op if it is known); returns its number."""
        number = self.forms.get(form)
        if number is not None:
            return number
        number = self.forms[form] = len(self.names)
        self.names.append(form)
        edges = self._root
        node: _Node = []
        for position, test in enumerate(form):
            key = self._intern(test)
            found = edges.get(key)
            if found is None:
                found = edges[key] = [-1, None]
            node = found
            if position < len(form) - 1:
                if node[1] is None:
                    node[1] = {}
                edges = node[1]
        node[0] = number
        if len(form) == 1 and form[0][0] == "e" and fold(form[0][1]) in STOP_WORDS:
            self._shouted.add(number)
        if self._memos:
            self._memos.clear()
            self._shared.clear()
        return number

    @property
    def stems(self) -> bool:
        """Whether any form asks for Snowball stems, so that the language of a text matters."""
        return "s" in self._tests

    def _intern(self, test: Test) -> int:
        kind, key = test
        known = self._tests.setdefault(kind, {})
        number = known.get(key)
        if number is None:
            number = known[key] = self._count
            self._count += 1
            if kind == "w" and len(key) not in self._lengths:
                self._lengths = tuple(sorted((*self._lengths, len(key))))
            elif kind == "g":
                self._globs[key] = re.compile(fnmatch.translate(key))
        return number

    def find(self, slots: Slots, language: str = "en") -> dict[int, list[tuple[int, int]]]:
        """Return, for each form that occurs, its (first, last) slots in order.

        Fills ``slots.fields`` and ``slots.breaks``. ``language`` is the ISO 639-1 code whose stems
        count.
        """
        key = language if self.stems else ""
        memo = self._memos.get(key)
        if memo is None or len(memo) > MEMO_LIMIT:
            memo = self._memos[key] = _Memo(self, language)
        row, jumps = self._row(slots, memo)
        out: dict[int, list[tuple[int, int]]] = {}
        last = len(row)
        row.append(None)
        at = -1
        for known in row:
            at += 1
            if known is None:
                continue
            singles, starts, _ = known
            if singles:
                span = (at, at)
                for form in singles:
                    if form in out:
                        out[form].append(span)
                    else:
                        out[form] = [span]
            if starts:
                following = row[at + 1]
                if following is not None:
                    tests = following[2]
                    for edges in starts:
                        for test in tests:
                            if test in edges:
                                self._walk(edges[test], row, jumps, at, at + 1, out)
                if jumps and at + 1 in jumps:
                    for edges in starts:
                        self._jump(edges, row, jumps, at, at + 1, out)
        for at, joined in jumps.items() if jumps else ():
            for spanned, (singles, starts, _) in joined:
                end = at + spanned - 1
                for form in singles:
                    out.setdefault(form, []).append((at, end))
                for edges in starts:
                    self._onward(edges, row, jumps, at, end, out)
        if jumps:
            for spans in out.values():
                spans.sort()
        if slots.shouted and self._shouted:
            title = slots.fields[0][1]
            for form in self._shouted.intersection(out):
                out[form] = [span for span in out[form] if span[0] >= title]
                if not out[form]:
                    del out[form]
        if last > MAX_OCCURRENCES:
            for spans in out.values():
                del spans[MAX_OCCURRENCES:]
        return out

    def _row(
        self, slots: Slots, memo: _Memo
    ) -> tuple[list[Any], dict[int, list[tuple[int, _Plain]]]]:
        row: list[Any] = []
        jumps: dict[int, list[tuple[int, _Plain]]] = {}
        fields: list[tuple[int, int]] = []
        breaks: list[int] = []
        rows = slots.rows = []
        document = slots.document
        size = len(document.title) + len(document.summary) + len(document.content)
        budget = _Budget() if size > _SHORT else None
        for field, name in enumerate(TEXT_FIELDS):
            if field:
                breaks.append(len(row))
                row.append(None)
            low = len(row)
            text = slots.text(name)
            if budget is not None:
                budget.tokens = MAX_TOKENS[field]
            for number, chunks in enumerate(paragraphs(text) if text else ()):
                if number:
                    if budget is not None:
                        budget.tokens -= 1
                        if not budget.left:
                            break
                    breaks.append(len(row))
                    row.append(None)
                here = Row(field, number, len(row), chunks)
                rows.append(here)
                if budget is None:
                    passed = [memo[chunk] for chunk in chunks]
                else:
                    passed = self._bounded(chunks, memo, budget)
                    del chunks[len(passed) :]
                if _Odd not in set(map(type, passed)):
                    row += passed
                    continue
                for index, known in enumerate(passed):
                    if known.__class__ is _Odd:
                        for offset, spanned, plain in known.joined:
                            jumps.setdefault(len(row) + offset, []).append((spanned, plain))
                        row += known.parts
                        here.odd.append((index, len(known.parts)))
                    else:
                        row.append(known)
            fields.append((low, len(row)))
        slots.fields = tuple(fields)
        slots.breaks = breaks
        slots.shouted = is_shouted(slots.document.title, fields[0][1])
        return row, jumps

    def _bounded(self, chunks: list[str], memo: _Memo, budget: _Budget) -> list[Any]:
        """Return what the first chunks pass, as many as the budget allows."""
        passed: list[Any] = []
        for chunk in chunks:
            if not budget.left:
                break
            if len(chunk) > MEMO_CHUNK:
                passed.append(self._long(chunk, memo, budget))
                continue
            known = memo[chunk]
            budget.take(chunk, len(known.parts) if known.__class__ is _Odd else 1)
            passed.append(known)
        return passed

    def _long(self, chunk: str, memo: _Memo, budget: _Budget) -> _Odd:
        """Read a long chunk (a sentence of Chinese) token by token."""
        parts: list[_Plain | None] = []
        joined: list[tuple[int, int, _Plain]] = []
        for surface, _, _ in surfaces_at(chunk):
            if not budget.left:
                break
            known = memo[surface]
            if known.__class__ is _Odd:
                joined += [(len(parts) + first, span, plain) for first, span, plain in known.joined]
                parts += known.parts
                budget.take(surface, len(known.parts))
            else:
                parts.append(known)
                budget.take(surface, 1)
        return _Odd(parts, joined)

    def _walk(
        self,
        node: _Node,
        row: list[Any],
        jumps: dict[int, list[tuple[int, _Plain]]],
        start: int,
        at: int,
        out: dict[int, list[tuple[int, int]]],
    ) -> None:
        """Go on from ``node``, which the slots ``start`` to ``at`` led to."""
        form, edges = node
        if form >= 0:
            out.setdefault(form, []).append((start, at))
        if edges:
            self._onward(edges, row, jumps, start, at, out)

    def _onward(
        self,
        edges: dict[int, _Node],
        row: list[Any],
        jumps: dict[int, list[tuple[int, _Plain]]],
        start: int,
        at: int,
        out: dict[int, list[tuple[int, int]]],
    ) -> None:
        following = row[at + 1]
        if following is not None:
            for test in following[2]:
                if test in edges:
                    self._walk(edges[test], row, jumps, start, at + 1, out)
        if jumps and at + 1 in jumps:
            self._jump(edges, row, jumps, start, at + 1, out)

    def _jump(
        self,
        edges: dict[int, _Node],
        row: list[Any],
        jumps: dict[int, list[tuple[int, _Plain]]],
        start: int,
        at: int,
        out: dict[int, list[tuple[int, int]]],
    ) -> None:
        for spanned, (_, _, tests) in jumps[at]:
            for test in tests:
                if test in edges:
                    self._walk(edges[test], row, jumps, start, at + spanned - 1, out)

    def passes(self, chunk: str, language: str) -> Any:
        """Return what the memo keeps of a blank-separated chunk."""
        core = chunk.strip(_PUNCTUATION)
        if core.isalpha() and core.isascii():
            return self._plain(core, (core.lower(),), language)
        found = surfaces(chunk)
        if len(found) > _MANY:
            return self._run(found, language)
        words = [analyse(surface) for surface in found]
        if len(words) == 1 and len(words[0].parts) == 1:
            part = words[0].parts[0]
            return self._plain(part.exact, part.folds, language)
        parts: list[_Plain | None] = []
        joined: list[tuple[int, int, _Plain]] = []
        for word in words:
            for each in word.joined:
                plain = self._plain(each.exact, each.folds, language)
                if plain is not None:
                    joined.append((len(parts) + each.first, each.last - each.first + 1, plain))
            parts += [self._plain(part.exact, part.folds, language) for part in word.parts]
        return _Odd(parts, joined)

    def _run(self, found: list[str], language: str) -> _Odd:
        """Read a long chunk (a sentence of Chinese): its characters repeat, so they are kept."""
        memo = self._memos.get(language if self.stems else "") or _Memo(self, language)
        parts: list[_Plain | None] = []
        joined: list[tuple[int, int, _Plain]] = []
        for surface in found:
            known = memo[surface]
            if known.__class__ is _Odd:
                joined += [(len(parts) + first, span, plain) for first, span, plain in known.joined]
                parts += known.parts
            else:
                parts.append(known)
        return _Odd(parts, joined)

    def _plain(self, exact: str, folds: Iterable[str], language: str) -> _Plain | None:
        found: list[int] = []
        for kind, known in self._tests.items():
            if kind == "e":
                if exact in known:
                    found.append(known[exact])
                continue
            if kind == "c" and not exact[:1].isupper():
                continue
            for folded in folds:
                if kind == "w":
                    found += [known[folded[:n]] for n in self._lengths if folded[:n] in known]
                    continue
                if kind == "g":
                    found += [known[k] for k, glob in self._globs.items() if glob.match(folded)]
                    continue
                key = folded
                if kind == "p":
                    key = singular(folded)
                elif kind == "s":
                    key = stem(folded, language)
                if key in known:
                    found.append(known[key])
        if not found:
            return None
        tests = tuple(dict.fromkeys(found))
        known_tests = self._shared.setdefault(tests, None)
        if known_tests is None:
            root = self._root
            nodes = [root[test] for test in tests if test in root]
            singles = tuple([form for form, _ in nodes if form >= 0])
            starts = tuple([edges for _, edges in nodes if edges])
            known_tests = self._shared[tests] = (singles, starts, tests)
        return known_tests
