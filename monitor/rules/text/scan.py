"""From text to surface tokens: one regular expression, linear, with exact offsets.

A surface token is what stands in the text between separators, hyphens and inner apostrophes
included ("cease-fire", "Syria's", "U.S."); ``monitor.rules.text.fold`` says what it counts as. The
same expression reads rules and stories.
"""

from __future__ import annotations

import html.entities
import re
import unicodedata
from collections.abc import Iterator
from functools import cache

# Scripts written without blanks: one token a character (a term becomes a phrase). Han, Hiragana,
# Hangul, Thai, Lao, Myanmar, Khmer.
SINGLE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3041-\u309f"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
# Katakana runs are one token, so that シリア does not fire in アッシリア; the middle dot separates.
KATAKANA = "\u30a0-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
# Soft hyphen, zero-width and bidirectional marks: part of a token, gone when it is folded.
INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
APOSTROPHES = "'’‘`´′＇"
HYPHENS = "-‐‑−﹣－"

_URL = re.compile(r"(?:https?://|ftp://|www\.)[^\s<>\"“”«»]+", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_PARAGRAPH = re.compile(r"\n[ \t\r\f\v]*\n\s*")


def _expression(letter: str, inner: str, singles: str) -> re.Pattern[str]:
    number = r"\d{1,3}(?:,\d{3})++(?!\d)(?:\.\d++)?|\d++\.\d++(?!\.\d)"
    word = rf"(?:(?:{number}){inner}*+|{letter}{inner}*+)"
    apostrophe = f"[{APOSTROPHES}]"
    acronym = (
        rf"[^\W\d_{SINGLE}{KATAKANA}]\.(?:[^\W\d_{SINGLE}{KATAKANA}]\.)+"
        rf"(?:[^\W\d_](?!{inner}))?(?:{apostrophe}[sS](?!{inner}))?"
        rf"|[A-Z]\.[A-Z](?![\w.]|-\w)(?:{apostrophe}[sS](?!{inner}))?"
    )
    # In "anti-U.S." the acronym is a token of its own.
    dotted = r"[^\W\d_]\.[^\W\d_](?:\.|(?![\w.]|-\w))"
    hyphen = f"[{HYPHENS}{APOSTROPHES}](?!{dotted})"
    return re.compile(rf"{acronym}|{word}(?:{hyphen}{word})*+{singles}")


@cache
def _ascii() -> re.Pattern[str]:
    number = r"\d{1,3}(?:,\d{3})++(?!\d)(?:\.\d++)?|\d++\.\d++(?!\.\d)"
    word = rf"(?:(?:{number})[A-Za-z0-9]*+|[A-Za-z0-9]++)"
    acronym = (
        r"[A-Za-z]\.(?:[A-Za-z]\.)++(?:[A-Za-z](?![A-Za-z0-9]))?(?:['`][sS](?![A-Za-z0-9]))?"
        r"|[A-Z]\.[A-Z](?![\w.]|-\w)(?:['`][sS](?![A-Za-z0-9]))?"
    )
    dotted = r"[A-Za-z]\.[A-Za-z](?:\.|(?![\w.]|-\w))"
    return re.compile(rf"{acronym}|{word}(?:[-'`](?!{dotted}){word})*+")


@cache
def _unicode() -> re.Pattern[str]:
    """Built when the first text that is not ASCII comes: it asks Unicode for every letter."""
    single = re.compile(f"[{SINGLE}{KATAKANA}]")
    letters: list[int] = []
    inner: list[int] = []
    for code in range(0x20000):
        char = chr(code)
        if single.match(char):
            continue
        if char.isalnum():
            letters.append(code)
            inner.append(code)
        elif unicodedata.category(char)[0] == "M":
            inner.append(code)
    letter = f"[{_ranges(letters)}]"
    inside = f"[{_ranges(inner)}{INVISIBLE}]"
    marks = f"[\u3099\u309a\uff9e\uff9f{INVISIBLE}]"
    singles = rf"|[{KATAKANA}](?:[{KATAKANA}]|{marks})*+|[{SINGLE}]"
    return _expression(letter, inside, singles)


def _ranges(codes: list[int]) -> str:
    parts: list[str] = []
    start = previous = codes[0]
    for code in [*codes[1:], -1]:
        if code == previous + 1:
            previous = code
            continue
        parts.append(
            re.escape(chr(start))
            if start == previous
            else f"{re.escape(chr(start))}-{re.escape(chr(previous))}"
        )
        start = previous = code
    return "".join(parts)


def _blank(found: re.Match[str]) -> str:
    return " " * (found.end() - found.start())


def _blank_entity(found: re.Match[str]) -> str:
    body = found[0][1:]
    known = body[0] == "#" or body in html.entities.html5
    return " " * len(found[0]) if known else found[0]


def readable(text: str) -> str:
    """Return ``text`` with URLs and left-over HTML entities blanked out; same length."""
    if "://" in text or "www." in text or "WWW." in text:
        text = _URL.sub(_blank, text)
    if "&" in text:
        text = _ENTITY.sub(_blank_entity, text)
    return text


def paragraphs(text: str) -> list[list[str]]:
    """Return the blank-separated chunks of each paragraph of ``text``.

    No token spans a blank, so that chunks can be looked up whole: far cheaper than the expression
    (measured: a quarter of its time), which then runs once per distinct chunk.
    """
    text = readable(text)
    if "\n" in text:
        return [paragraph.split() for paragraph in _PARAGRAPH.split(text)]
    return [text.split()]


def paragraph_ranges(text: str) -> list[tuple[int, int]]:
    """Return the half-open ranges of the paragraphs of ``text``, as ``paragraphs`` cuts them."""
    ranges: list[tuple[int, int]] = []
    start = 0
    for found in _PARAGRAPH.finditer(text) if "\n" in text else ():
        ranges.append((start, found.start()))
        start = found.end()
    ranges.append((start, len(text)))
    return ranges


def chunk_starts(text: str, chunks: list[str], start: int) -> list[int]:
    """Return where each of ``chunks`` starts in ``text``, looking from ``start`` on."""
    out: list[int] = []
    for chunk in chunks:
        start = text.index(chunk, start)
        out.append(start)
        start += len(chunk)
    return out


def surfaces(text: str) -> list[str]:
    """Return the surface tokens of ``text`` in order."""
    text = readable(text)
    return _surfaces(text)


def _surfaces(text: str) -> list[str]:
    found: list[str] = (_ascii() if text.isascii() else _unicode()).findall(text)
    return found


def surfaces_at(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield (surface token, start, end) in code points; the same tokens as ``surfaces``."""
    text = readable(text)
    for found in (_ascii() if text.isascii() else _unicode()).finditer(text):
        yield found[0], found.start(), found.end()
