"""Our own tokens as a ``tsvector``, and wordings as a ``tsquery``.

PostgreSQL keeps at most 16,383 positions in a document and 256 of one lexeme
(postgresql.org/docs/current/textsearch-limitations.html): what lies beyond isn't found.
"""

from __future__ import annotations

from monitor.store.tokens import Tokenize, any_spelling, beginnings, encode, spelled
from monitor.values import Word, Wording

POSITIONS = 16_383
LEXEME_POSITIONS = 255
# A tsvector is at most 1 MiB; the literal that makes it is never smaller than what it makes.
LARGEST = 900_000
# Between fields, so that a phrase never crosses from one to the next.
GAP = 100


def vector(tokenize: Tokenize, *fields: str) -> str:
    """Return the ``tsvector`` literal of some fields' texts."""
    places: dict[str, list[int]] = {}
    position, size = 0, 0
    for text in fields:
        for token in tokenize(text):
            if not token:
                continue
            position += 1
            if position > POSITIONS or size > LARGEST:
                break
            at = places.get(token)
            if at is None:
                places[token] = [position]
                size += 8 * len(token) + 14  # the longest that it may become
            elif len(at) < LEXEME_POSITIONS:
                at.append(position)
                size += 8
        position += GAP
    return " ".join([f"'{encode(token)}':{','.join(map(str, at))}" for token, at in places.items()])


def query(wording: Wording) -> str | bool:
    """Return the ``tsquery`` literal for a wording, or whether every text or none has it."""
    return spelled(wording, _word, " & ", " | ")


def _word(word: Word) -> str:
    if word.starts:
        return any_spelling((f"'{start}':*" for start in beginnings(word.text)), " | ")
    return f"'{encode(word.text)}'"
