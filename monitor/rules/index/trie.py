"""One phrase trie over all forms of all rules, walked once per document.

Token tests are interned as small integers; a memo per distinct surface token says which tests it
passes and where in the trie they start, so that a word which no rule knows costs one dictionary
look-up. News has few distinct words (measured: 70,000 in 3 million), so the expensive Unicode work is
done about once a word.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import Any

from monitor.rules.index.document import Slots
from monitor.rules.text.fold import Word, analyse, fold
from monitor.rules.text.inflect import singular, stem
from monitor.rules.terms import STOP_WORDS
from monitor.rules.tree import Form, Test

MEMO_LIMIT = 400_000
"""Distinct surface tokens remembered before the memo starts anew; bounds memory against feeds of
random words."""
MAX_OCCURRENCES = 1_000
"""Occurrences of one form kept per document; bounds time on a text that repeats a word for ever."""

# A trie node is [form number or -1, edges or None]; edges lead from a test's number to a node.
_Node = list[Any]
# What the memo says of a surface token: (nodes that start here, tests passed), None for a word that
# no form has, or an _Odd for a hyphenated word and a break.
_Plain = tuple[tuple[_Node, ...], tuple[int, ...]]


class _Odd:
    """A surface token that is several slots, or a paragraph break (no parts)."""

    __slots__ = ("joined", "parts")

    def __init__(
        self, parts: list[_Plain | None], joined: list[tuple[int, int, _Plain]]
    ) -> None:
        self.parts = parts
        self.joined = joined


class Trie:
    """Finds all forms, overlaps included, with their slots."""

    def __init__(self) -> None:
        self.forms: dict[Form, int] = {}
        self._tests: dict[Test, int] = {}
        self._root: dict[int, _Node] = {}
        self._prefixes: set[str] = set()
        self._globs: dict[str, re.Pattern[str]] = {}
        self._kinds: set[str] = set()
        self._memos: dict[str, dict[str, Any]] = {}
        self._shouted: set[int] = set()

    def add(self, form: Form) -> int:
        """Add a form (a no-op if it is known); returns its number."""
        number = self.forms.get(form)
        if number is not None:
            return number
        number = self.forms[form] = len(self.forms)
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
        return number

    @property
    def stems(self) -> bool:
        """Whether any form asks for Snowball stems, so that the language of a text matters."""
        return "s" in self._kinds

    def _intern(self, test: Test) -> int:
        number = self._tests.get(test)
        if number is None:
            number = self._tests[test] = len(self._tests)
            kind, key = test
            self._kinds.add(kind)
            if kind == "w":
                self._prefixes.add(key)
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
        if memo is None:
            memo = self._memos[key] = {}
        elif len(memo) > MEMO_LIMIT:
            memo.clear()
        row, jumps = self._row(slots, memo, language)
        out: dict[int, list[tuple[int, int]]] = {}
        last = len(row)
        row.append(None)
        at = -1
        for known in row:
            at += 1
            if known is None:
                continue
            for form, edges in known[0]:
                if form >= 0:
                    if form in out:
                        out[form].append((at, at))
                    else:
                        out[form] = [(at, at)]
                if edges:
                    following = row[at + 1]
                    if following is not None:
                        for test in following[1]:
                            if test in edges:
                                self._walk(edges[test], row, jumps, at, at + 1, out)
                    if jumps and at + 1 in jumps:
                        self._jump(edges, row, jumps, at, at + 1, out)
        for at, joined in jumps.items() if jumps else ():
            for spanned, (nodes, _) in joined:
                for node in nodes:
                    self._walk(node, row, jumps, at, at + spanned - 1, out)
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
        self, slots: Slots, memo: dict[str, Any], language: str
    ) -> tuple[list[Any], dict[int, list[tuple[int, _Plain]]]]:
        row: list[Any] = []
        jumps: dict[int, list[tuple[int, _Plain]]] = {}
        fields: list[tuple[int, int]] = []
        breaks: list[int] = []
        for index, tokens in enumerate(slots.surfaces):
            if index:
                breaks.append(len(row))
                row.append(None)
            low = len(row)
            for token in tokens:
                try:
                    known = memo[token]
                except KeyError:
                    known = memo[token] = self._passes(token, language)
                if known.__class__ is _Odd:
                    if not known.parts:
                        breaks.append(len(row))
                        row.append(None)
                        continue
                    for offset, spanned, plain in known.joined:
                        jumps.setdefault(len(row) + offset, []).append((spanned, plain))
                    row.extend(known.parts)
                else:
                    row.append(known)
            fields.append((low, len(row)))
        slots.fields = tuple(fields)
        slots.breaks = breaks
        return row, jumps

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
        if not edges:
            return
        following = row[at + 1]
        if following is not None:
            for test in following[1]:
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
        for spanned, (_, tests) in jumps[at]:
            for test in tests:
                if test in edges:
                    self._walk(edges[test], row, jumps, start, at + spanned - 1, out)

    def _passes(self, surface: str, language: str) -> Any:
        word = analyse(surface)
        if len(word.parts) == 1:
            part = word.parts[0]
            return self._plain(part.exact, part.folds, language)
        return self._odd(word, language)

    def _odd(self, word: Word, language: str) -> _Odd:
        parts = [self._plain(part.exact, part.folds, language) for part in word.parts]
        joined = []
        for each in word.joined:
            plain = self._plain(each.exact, each.folds, language)
            if plain is not None:
                joined.append((each.first, each.last - each.first + 1, plain))
        return _Odd(parts, joined)

    def _plain(self, exact: str, folds: Iterable[str], language: str) -> _Plain | None:
        known = self._tests
        kinds = self._kinds
        found: dict[int, None] = {}
        asked: list[Test] = []
        if "e" in kinds:
            asked.append(("e", exact))
        for folded in folds:
            asked.append(("f", folded))
            if "p" in kinds:
                asked.append(("p", singular(folded)))
            if "c" in kinds and exact[:1].isupper():
                asked.append(("c", folded))
            if "s" in kinds:
                asked.append(("s", stem(folded, language)))
            if self._prefixes:
                asked.extend(
                    ("w", folded[:length])
                    for length in range(1, len(folded) + 1)
                    if folded[:length] in self._prefixes
                )
            asked.extend(("g", key) for key, glob in self._globs.items() if glob.match(folded))
        for test in asked:
            number = known.get(test)
            if number is not None:
                found[number] = None
        if not found:
            return None
        nodes = tuple(self._root[test] for test in found if test in self._root)
        return nodes, tuple(found)
