"""Our own tokens, spelled so that a database's text search takes each as one word."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence

from monitor.values import AllOf, Expression, Word, Wording

# ASCII letters and digits and every character above U+007F are parts of a token for FTS5's `ascii`
# tokenizer, which folds ASCII case (sqlite.org/fts5.html §4.3.2); neither they nor PostgreSQL's
# lexemes in quotes need an escape: such tokens go in as they are.
_PLAIN = re.compile(r"[a-z0-9\u0080-\ud7ff\ue000-\U0010ffff]+")
_PLAIN_ALL = re.compile(r"[ a-z0-9\u0080-\ud7ff\ue000-\U0010ffff]+")
_ESCAPE = "zq"
_LONGEST = 64
_PROBE = (
    "L'Iran's cease-fire: US, U.S. and ÉTATS-UNIS; naïve C++ 3.14 don't AT&T "
    "Straße İstanbul Ελλάδα Дамаск دمشق ישראל 日本語カタカナ 한국어 ไทย e\u0301 #tag @name x_y "
    "anti-U.S. 3.5"
)
Tokenize = Callable[[str], Sequence[str]]
MADE_BY = "store/tokens"  # the blob that says which tokeniser the text index was made with


def encoded(tokenize: Tokenize, text: str) -> str:
    """Return the tokens of ``text``, each as one word."""
    tokens = [token for token in tokenize(text) if token]
    joined = " ".join(tokens)
    # Most texts have no token that needs a spelling of its own: all are looked at in one go.
    if (
        _PLAIN_ALL.fullmatch(joined)
        and _ESCAPE not in joined
        and joined.count(" ") == len(tokens) - 1
        and len(max(tokens, key=len)) <= _LONGEST
    ):
        return joined
    return " ".join(map(encode, tokens))


def fingerprint(tokenize: Tokenize) -> str:
    """Return a digest of how the tokeniser cuts a text with everything hard in it."""
    return hashlib.blake2b(encoded(tokenize, _PROBE).encode(), digest_size=16).hexdigest()


def encode(token: str) -> str:
    """Return a spelling of ``token`` without blanks or signs; different tokens differ."""
    plain = len(token) <= _LONGEST and not token.startswith(_ESCAPE) and _PLAIN.fullmatch(token)
    if plain:
        return token
    raw = token.encode("utf-8", "surrogatepass")
    if len(raw) > _LONGEST:
        # Not hexadecimal at its end, so that it can't be taken for another escaped token.
        return f"{_ESCAPE}{hashlib.blake2b(raw, digest_size=16).hexdigest()}h"
    return _ESCAPE + raw.hex()


def beginnings(start: str) -> tuple[str, ...]:
    """Return the beginnings that the spellings of all tokens have which begin with ``start``.

    Of tokens of more than 64 bytes, only a digest is kept: they aren't found so.
    """
    escaped = _ESCAPE + start.encode("utf-8", "surrogatepass").hex()
    if start.startswith(_ESCAPE) or not _PLAIN.fullmatch(start):
        return (escaped,)
    return (start, escaped)


def spelled(wording: Wording, word: Callable[[Word], str], every: str, either: str) -> str | bool:
    """Return a wording in a database's query language, or whether every text or none has it.

    Args:
        word: writes one word.
        every: stands between parts that must all be there, blanks included.
        either: stands between parts of which one must.
    """
    if isinstance(wording, Word):
        return word(wording) if wording.text else False
    if isinstance(wording, Expression):
        return True  # which texts have it, no index of words can tell
    want_all = isinstance(wording, AllOf)
    parts = [spelled(part, word, every, either) for part in wording.parts]
    if (not want_all) in parts:  # one part decides
        return not want_all
    written = list(dict.fromkeys(part for part in parts if isinstance(part, str)))
    if not written:
        return want_all
    if len(written) == 1:
        return written[0]
    return f"({(every if want_all else either).join(written)})"


def any_spelling(spellings: Iterable[str], either: str) -> str:
    """Return spellings of one word as parts of which one must be there."""
    parts = list(spellings)
    return parts[0] if len(parts) == 1 else f"({either.join(parts)})"
