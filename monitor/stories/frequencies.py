"""How common terms are, learned as entries come: the base of every weight in a comparison."""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Iterable, Mapping
from math import log
from struct import Struct
from sys import byteorder

from monitor.stories.stopwords import COMMON, COMMON_SHARE
from monitor.stories.terms import english_stem

# Before the first entry we act as if so many had been seen, with the common words of news prose in
# their share of them; by a day's entries what was learned outweighs it.
PRIOR_DOCUMENTS = 300
MAX_TERMS = 300_000  # terms kept; beyond, those seen once go
MAX_DOCUMENTS = 500_000  # counts are halved here, so that the language of last year fades

_PLAIN = b"df1"
_HEAD = Struct("<3sQQ")  # the mark, documents, bytes of the terms

_COMMON_TERMS = frozenset(COMMON) | frozenset(english_stem(word) for word in COMMON)


class Frequencies:
    """Document counts of terms. Deterministic: the same entries in order give the same weights."""

    def __init__(self) -> None:
        self.documents = 0
        self._counts: dict[str, int] = {}

    def add(self, terms: Iterable[str]) -> None:
        """Count one document with these different terms."""
        self.documents += 1
        counts = self._counts
        for term in terms:
            counts[term] = counts.get(term, 0) + 1
        if len(counts) > MAX_TERMS:
            self._counts = {term: count for term, count in counts.items() if count > 1}
        if self.documents >= MAX_DOCUMENTS:
            self.documents //= 2
            self._counts = {term: count // 2 for term, count in counts.items() if count > 1}

    def weights(self, terms: Iterable[str], mark: str = "") -> dict[str, float]:
        """Return the inverse document frequencies (natural logarithm) of terms.

        ``mark`` stands before each term in the counts (names are counted apart from words).
        """
        get, top = self._counts.get, self.log_documents
        prior = PRIOR_DOCUMENTS / COMMON_SHARE + 1.0
        return {
            term: top - log(get(mark + term, 0) + (prior if term in _COMMON_TERMS else 1.0))
            for term in terms
        }

    def weighed(self, held: Mapping[str, float], mark: str = "") -> list[float]:
        """Return ``held`` terms' numbers times their weights, in their order."""
        get, top = self._counts.get, self.log_documents
        prior = PRIOR_DOCUMENTS / COMMON_SHARE + 1.0
        return [
            number * (top - log(get(mark + term, 0) + (prior if term in _COMMON_TERMS else 1.0)))
            for term, number in held.items()
        ]

    @property
    def log_documents(self) -> float:
        """Return the weight that a term never seen would have, by which others are scaled."""
        return log(self.documents + PRIOR_DOCUMENTS + 1)

    def to_bytes(self) -> bytes:
        """Return the counts in a form that ``from_bytes`` reads.

        Terms as lines, their counts as one array: JSON takes ten times as long, 200 ms for
        ``MAX_TERMS``, in which the event loop would stand still.
        """
        counts = array("I", self._counts.values())
        if byteorder == "big":
            counts.byteswap()
        terms = "\n".join(self._counts).encode()
        head = _HEAD.pack(_PLAIN, self.documents, len(terms))
        return zlib.compress(b"".join((head, terms, counts.tobytes())), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frequencies:
        """Return the frequencies that ``to_bytes`` wrote."""
        self, plain = cls(), zlib.decompress(data)
        if not plain.startswith(_PLAIN):  # as it was written before
            self.documents, self._counts = json.loads(plain)
            return self
        _, self.documents, length = _HEAD.unpack_from(plain)
        end = _HEAD.size + length
        counts = array("I", plain[end:])
        if byteorder == "big":
            counts.byteswap()
        terms = plain[_HEAD.size : end].decode()
        self._counts = dict(zip(terms.split("\n") if terms else (), counts, strict=True))
        return self
