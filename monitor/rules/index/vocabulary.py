"""Which token tests a word passes: the words of all rules as numbers.

Every test of every rule ("f:syria", "p:deal", "w:sanction") is interned as a small integer.
Contains no forms and no documents (see ``monitor.rules.index.trie``).
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

from monitor.rules.text.inflect import singular, stems
from monitor.rules.tree import Test

_KINDS = ("f", "p", "e", "c", "s", "w", "g")


class Vocabulary:
    """Numbers the tests, and says which of them a word passes.

    Grows only; a word looked up while another thread adds tests passes the old ones or the new
    ones, and nothing breaks.
    """

    def __init__(self) -> None:
        # All kinds from the start: a dictionary that others iterate over must not grow.
        self._tests: dict[str, dict[str, int]] = {kind: {} for kind in _KINDS}
        self._count = 0
        self._lengths: tuple[int, ...] = ()
        self._heads: dict[str, list[tuple[re.Pattern[str], int]]] = {}
        self._head_lengths: tuple[int, ...] = ()

    @property
    def stems(self) -> bool:
        """Whether any test asks for Snowball stems, so that the language of a text matters."""
        return bool(self._tests["s"])

    def number(self, test: Test) -> int:
        """Return the number of ``test``, a new one if it is not known."""
        kind, key = test
        known = self._tests[kind]
        number = known.get(key)
        if number is None:
            number = self._count
            self._count += 1
            if kind == "w":
                self._lengths = _with(self._lengths, len(key))
            elif kind == "g":
                head = key[: key.index("*")]
                self._heads.setdefault(head, []).append(
                    (re.compile(fnmatch.translate(key)), number)
                )
                self._head_lengths = _with(self._head_lengths, len(head))
            known[key] = number
        return number

    def passed(self, exact: str, folds: Iterable[str], languages: tuple[str, ...]) -> list[int]:
        """Return the numbers of the tests that a word passes, given its exact form and folded
        spellings; ``languages`` are the ISO 639-1 codes whose stems count."""
        tests = self._tests
        out: list[int] = []
        if exact in (exacts := tests["e"]):
            out.append(exacts[exact])
        folded_tests, plurals, capitals = tests["f"], tests["p"], tests["c"]
        prefixes, stemmed = tests["w"], tests["s"]
        first = True
        for folded in folds:
            if folded in folded_tests:
                out.append(folded_tests[folded])
            if plurals and (key := singular(folded)) in plurals:
                out.append(plurals[key])
            if folded in capitals and exact[:1].isupper():
                out.append(capitals[folded])
            if stemmed:
                whole = exact if first else folded
                for language in languages:
                    keys = stems(whole, folded, language)
                    out += [stemmed[key] for key in keys if key in stemmed]
            first = False
            for length in self._lengths:
                if (key := folded[:length]) in prefixes:
                    out += (prefixes[key],)
            for length in self._head_lengths:
                for pattern, number in self._heads.get(folded[:length], ()):
                    if pattern.match(folded):
                        out.append(number)
        return out


def _with(lengths: tuple[int, ...], length: int) -> tuple[int, ...]:
    return lengths if length in lengths else tuple(sorted((*lengths, length)))
