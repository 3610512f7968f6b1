"""Our own tokens, spelled so that a database's text search takes each as one word."""

from __future__ import annotations

import hashlib
import re

# ASCII letters and digits and every character above U+007F are parts of a token for FTS5's `ascii`
# tokenizer, which folds ASCII case (sqlite.org/fts5.html §4.3.2); neither they nor PostgreSQL's
# lexemes in quotes need an escape: such tokens go in as they are.
_PLAIN = re.compile(r"[a-z0-9\u0080-\ud7ff\ue000-\U0010ffff]+")
_ESCAPE = "zq"
_LONGEST = 64


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
