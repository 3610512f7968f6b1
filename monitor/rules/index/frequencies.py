"""How often forms occur in the bot's own traffic: what makes one group of a rule the rarest.

Counts decay, so that last month's news matters less; they are kept under the forms' spelling, so
that they outlive a rebuild, and serialise to a blob of the store.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping

from monitor.rules.terms import STOP_WORDS
from monitor.rules.tree import Form

HALF_LIFE = 20_000
"""Documents after which a count weighs half: about a week of two hundred feeds."""
BLOB = "rules/frequencies"
"""The name under which the pipeline keeps the blob."""


class Frequencies:
    """Decayed document counts of forms. ``documents`` is the decayed number of documents."""

    def __init__(self, counts: Mapping[str, float] | None = None, documents: float = 0.0) -> None:
        self._counts = dict(counts or {})
        self.documents = documents

    def observe(self, forms: Iterable[Form], documents: int = 1) -> None:
        """Count each of ``forms`` for each of its documents (repeat a form to count it more)."""
        keep = 0.5 ** (documents / HALF_LIFE)
        if keep < 0.999:
            self._counts = {k: v * keep for k, v in self._counts.items() if v * keep > 0.01}
            self.documents *= keep
        self.documents += documents
        for form in forms:
            key = spelled(form)
            self._counts[key] = self._counts.get(key, 0.0) + 1.0

    def share(self, form: Form) -> float:
        """Return the expected share of documents with ``form``: learned, else guessed."""
        guess = guessed(form)
        if self.documents < 50:
            return guess
        seen = self._counts.get(spelled(form), 0.0)
        # A guess weighs as much as twenty documents: unseen forms stay comparable.
        return (seen + 20 * guess) / (self.documents + 20)

    def to_bytes(self) -> bytes:
        """Return the counts for storage."""
        counts = {key: round(value, 2) for key, value in self._counts.items()}
        body = {"documents": round(self.documents, 2), "counts": counts}
        return zlib.compress(json.dumps(body, ensure_ascii=False).encode())

    @classmethod
    def from_bytes(cls, blob: bytes) -> Frequencies:
        """Read what ``to_bytes`` wrote; an unreadable blob gives empty counts (they are only a
        hint)."""
        try:
            body = json.loads(zlib.decompress(blob))
            return cls({str(k): float(v) for k, v in body["counts"].items()}, body["documents"])
        except (zlib.error, ValueError, KeyError, TypeError, AttributeError):
            return cls()


def spelled(form: Form) -> str:
    """Return a stable spelling of a form."""
    return " ".join(f"{kind}:{key}" for kind, key in form)


def guessed(form: Form) -> float:
    """Return a guess at the share of documents with ``form``: long words and phrases are rare.

    The scale is of no matter, only the order; fitted by eye on newswire.
    """
    share = 1.0
    for kind, key in form:
        if key in STOP_WORDS:
            continue
        letters = len(key) if key.isascii() else 2 * len(key)
        word = 0.3 / (1 + letters) ** 1.2
        if kind in ("w", "g"):
            word *= 4
        elif kind in ("e", "c"):
            word *= 0.6
        share *= word if share == 1.0 else word * 4
    return share
