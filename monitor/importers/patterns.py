"""Texts and regular expressions of other programs as terms of ours.

Others look for a text anywhere in a title, also inside words ("ai" in "training"); a term of ours
is whole words. An expression that only lists texts becomes terms; any other stays an expression,
where RE2 can run it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from monitor.rules.patterns import PatternError, compile_pattern

_SPECIAL = ("=", "#", "@", "/", "list:", "entity:")
# One alternative that is a text: letters and signs that mean themselves, or escaped signs.
_TEXT = re.compile(r"(?:[^\\.^$*+?()\[\]{}|]|\\[^A-Za-z0-9])+")
_CASELESS = re.compile(r"^\(\?i\)")


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms that stand for an expression or a text; ``loose`` are texts that were looked for inside
    words too."""

    terms: tuple[str, ...]
    loose: tuple[str, ...] = ()


def whole_words(loose: Iterable[str]) -> tuple[str, ...]:
    """Return what to say of texts that are whole words now: one line, or none."""
    texts = list(dict.fromkeys(loose))
    if not texts:
        return ()
    shown = ", ".join(map(repr, texts[:6])) + (f" and {len(texts) - 6} more" if texts[6:] else "")
    return (f"whole words and their plurals now, no longer inside other words: {shown}",)


def literal(text: str, *, exact: bool = False) -> str:
    """Return the term that means ``text``, whatever signs it has."""
    body = " ".join(text.replace("*", " ").split())
    if exact:
        return f"={body}"
    return f'"{body}"' if body.startswith(_SPECIAL) else body


def of_text(text: str, *, exact: bool = False) -> Terms:
    """Return the term for a text that was looked for anywhere."""
    return Terms((literal(text, exact=exact),), (text,) if _latin_edge(text) else ())


def of_pattern(source: str, *, folded: bool) -> Terms:
    """Return terms for a regular expression.

    ``folded`` says that capitals didn't matter. Raises ``PatternError`` for what RE2 can't run.
    """
    texts = texts_of(source)
    if texts is not None:
        exact = not (folded or _CASELESS.match(source))
        loose = () if "\\b" in source else tuple(filter(_latin_edge, texts))
        return Terms(tuple(literal(text, exact=exact) for text in texts), loose)
    body = _CASELESS.sub("", source)
    if not folded and body == source:
        body = f"(?-i:{body})"
    if len(body) >= 500:
        raise PatternError("longer than 500 characters", "cut it into several")
    compile_pattern(body)
    return Terms((f"/{body}/",))


def texts_of(source: str) -> tuple[str, ...] | None:
    r"""Return the texts that an expression lists ("(?i)\b(arms deal|embargo)\b"), else None."""
    body = _CASELESS.sub("", source.strip())
    body = body.removeprefix("^.*").removeprefix(".*").removesuffix(".*$").removesuffix(".*")
    body = body.removeprefix("\\b").removesuffix("\\b")
    if body.startswith("(") and body.endswith(")") and body.count("(") == 1:
        body = body[1:-1].removeprefix("?:")
    parts = [part.removeprefix("\\b").removesuffix("\\b") for part in body.split("|")]
    texts = []
    for part in parts:
        if not _TEXT.fullmatch(part):
            return None
        text = re.sub(r"\\(.)", r"\1", part).strip()
        if not re.search(r"\w", text):
            return None
        texts.append(text)
    return tuple(dict.fromkeys(texts))


def _latin_edge(text: str) -> bool:
    """Tell whether a word of an alphabet stands at an edge, so that longer words contained it."""
    body = text.strip()
    return bool(body) and any(char.isalpha() and ord(char) < 0x2E80 for char in (body[0], body[-1]))
