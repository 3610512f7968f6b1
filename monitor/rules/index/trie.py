"""One phrase trie over all forms of all rules, walked once per document.

Token tests are interned as small integers; a memo per distinct surface token says which tests it
passes (most words pass none and cost one dictionary look-up).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import Any

from monitor.rules.index.document import Slots
from monitor.rules.text.fold import Word, analyse
from monitor.rules.text.inflect import singular, stem
from monitor.rules.tree import Form, Test

_MEMO_LIMIT = 400_000
"""Distinct surface tokens remembered before the memo starts anew (measured: 70,000 in 25,000
newswire stories); bounds memory against feeds of random words."""

Tests = tuple[int, ...]
Jump = tuple[int, Tests]  # (parts spanned, tests)
_FORM = -1  # the key under which a trie node keeps the form that ends there


class Trie:
    """Finds all forms, overlaps included, with their slots."""

    def __init__(self) -> None:
        self.forms: dict[Form, int] = {}
        self._tests: dict[Test, int] = {}
        self._root: dict[int, Any] = {}
        self._prefixes: list[str] = []
        self._globs: dict[str, Any] = {}
        self._kinds: set[str] = set()
        self._memos: dict[str, dict[str, Any]] = {}

    def add(self, form: Form) -> int:
        """Add a form (a no-op if it is known); returns its number."""
        number = self.forms.get(form)
        if number is not None:
            return number
        number = self.forms[form] = len(self.forms)
        node = self._root
        for test in form:
            node = node.setdefault(self._intern(test), {})
        node[_FORM] = number
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
                insort(self._prefixes, key)
            elif kind == "g":
                import fnmatch
                import re

                self._globs[key] = re.compile(fnmatch.translate(key))
            self._memos.clear()
        return number

    def find(self, slots: Slots, language: str = "en") -> dict[int, list[tuple[int, int]]]:
        """Return, for each form that occurs, its (first, last) slots; fills ``slots.fields``."""
        memo = self._memos.get(language if self.stems else "")
        if memo is None:
            memo = self._memos[language if self.stems else ""] = {}
        elif len(memo) > _MEMO_LIMIT:
            memo.clear()
        row: list[Tests] = []
        jumps: dict[int, list[Jump]] = {}
        fields: list[tuple[int, int]] = []
        for index, tokens in enumerate(slots.surfaces):
            if index:
                row.append(())
            low = len(row)
            for token in tokens:
                known = memo.get(token)
                if known is None:
                    known = memo[token] = self._passes(token, language)
                if type(known) is tuple:
                    row.append(known)
                else:
                    parts, joined = known
                    for offset, spanned, tests in joined:
                        jumps.setdefault(len(row) + offset, []).append((spanned, tests))
                    row.extend(parts)
            fields.append((low, len(row)))
        slots.fields = tuple(fields)
        out: dict[int, list[tuple[int, int]]] = {}
        root = self._root
        for start, tests in enumerate(row):
            if tests or (jumps and start in jumps):
                self._walk(root, row, jumps, start, start, out)
        return out

    def _walk(
        self,
        node: dict[int, Any],
        row: Sequence[Tests],
        jumps: dict[int, list[Jump]],
        start: int,
        at: int,
        out: dict[int, list[tuple[int, int]]],
    ) -> None:
        if at >= len(row):
            return
        for test in row[at]:
            child = node.get(test)
            if child is not None:
                form = child.get(_FORM)
                if form is not None:
                    out.setdefault(form, []).append((start, at))
                    if len(child) == 1:
                        continue
                self._walk(child, row, jumps, start, at + 1, out)
        for spanned, tests in jumps.get(at, ()) if jumps else ():
            for test in tests:
                child = node.get(test)
                if child is not None:
                    end = at + spanned - 1
                    form = child.get(_FORM)
                    if form is not None:
                        out.setdefault(form, []).append((start, end))
                    self._walk(child, row, jumps, start, end + 1, out)

    def _passes(self, surface: str, language: str) -> Any:
        word = analyse(surface)
        if not word.parts:
            return ()
        first = word.parts[0]
        if len(word.parts) == 1:
            return self._tests_of(first.exact, first.folds, language)
        return self._compound(word, language)

    def _compound(self, word: Word, language: str) -> list[Any]:
        parts = [self._tests_of(part.exact, part.folds, language) for part in word.parts]
        joined = []
        for each in word.joined:
            tests = self._tests_of(each.exact, each.folds, language)
            if tests:
                joined.append((each.first, each.last - each.first + 1, tests))
        return [parts, joined]

    def _tests_of(self, exact: str, folds: Iterable[str], language: str) -> Tests:
        known = self._tests
        kinds = self._kinds
        found: dict[int, None] = {}

        def note(kind: str, key: str) -> None:
            number = known.get((kind, key))
            if number is not None:
                found[number] = None

        if "e" in kinds:
            note("e", exact)
        for folded in folds:
            note("f", folded)
            if "p" in kinds:
                note("p", singular(folded))
            if "c" in kinds and exact[:1].isupper():
                note("c", folded)
            if "s" in kinds:
                note("s", stem(folded, language))
            if "w" in kinds:
                for key in self._prefixes_of(folded):
                    note("w", key)
            for key, pattern in self._globs.items():
                if pattern.match(folded):
                    note("g", key)
        return tuple(found)

    def _prefixes_of(self, word: str) -> list[str]:
        prefixes = self._prefixes
        out = []
        for length in range(1, len(word) + 1):
            at = bisect_left(prefixes, word[:length])
            if at < len(prefixes) and prefixes[at] == word[:length]:
                out.append(word[:length])
        return out
