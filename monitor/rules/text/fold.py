"""What a surface token counts as: folded spellings, its parts at hyphens, its exact form.

Pure functions of one token. The index memoises them per distinct token, so they may be thorough.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from monitor.rules.text.scan import APOSTROPHES, HYPHENS, INVISIBLE

_INVISIBLE = re.compile(f"[{INVISIBLE}]")
# Apostrophes as written: also the letters U+02B9, U+02BB, U+02BC, which the scanner takes as
# letters.
_APOSTROPHE = re.compile(f"[{APOSTROPHES}\u02b9\u02bb\u02bc\u02bd\u05f3]")
_POSSESSIVE = re.compile(r"'[sS]$")
MAX_PARTS = 100
"""Parts of one hyphenated token that are looked at; bounds a chain of 50,000 characters."""
_HYPHEN = re.compile(f"[{HYPHENS}]")
_ACRONYM = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]?(?:'s)?", re.IGNORECASE)
_DIGIT = re.compile(r"(?![0-9])\d")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")

# Letters that no decomposition folds. Lower-case, since case goes first.
_LETTERS = str.maketrans(
    {
        "ı": "i",
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ħ": "h",
        "ŧ": "t",
        "ŋ": "n",
        "ĸ": "k",
        "ə": "e",
        "ё": "е",
        "ґ": "г",
        "أ": "ا",
        "إ": "ا",
        "آ": "ا",
        "ٱ": "ا",
        "ى": "ي",
        "ی": "ي",
        "ې": "ي",
        "ک": "ك",
        "ة": "ه",
        "ۀ": "ه",
        "ە": "ه",
        "ؤ": "و",
        "ئ": "ي",
        "ـ": None,
    }
)
# Elided articles and prepositions before an apostrophe: French, Italian, Catalan.
_ELIDED = frozenset(
    str.split(
        """
    l d j m n s t c qu all dell dall nell sull coll un quell lorsqu puisqu quoiqu jusqu
    quest sant nient anch
    """
    )
)
# What English puts after an apostrophe; other short tails are case endings (Suriye'de).
_ENGLISH_TAILS = frozenset(["s", "t", "re", "ve", "ll", "d", "m", "em", "til"])


@dataclass(frozen=True, slots=True)
class Part:
    """One word position: ``start``/``end`` are offsets in the surface token, without a possessive
    ending; ``exact`` is the form that ``=Term`` compares; ``folds`` are the spellings it counts
    as, the first being the main one."""

    start: int
    end: int
    exact: str
    folds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """Several neighbouring parts read as one word: "cease-fire" also as "ceasefire"."""

    first: int
    last: int  # inclusive
    exact: str
    folds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """What one surface token counts as."""

    parts: tuple[Part, ...]
    joined: tuple[Joined, ...] = ()


@lru_cache(maxsize=65_536)
def analyse(surface: str) -> Word:
    """Return what ``surface`` (from ``monitor.rules.text.scan``) counts as."""
    if surface.isascii() and surface.isalnum():
        return Word((Part(0, len(surface), surface, (surface.lower(),)),))
    if len(surface) == 1 and "\u4e00" <= surface <= "\u9fff":
        return Word((Part(0, 1, surface, (surface,)),))  # Unified ideographs fold to themselves
    if _is_acronym(surface):
        return Word((_acronym(surface),))
    spans = _pieces(surface)
    parts = tuple(_part(surface, start, end) for start, end in spans)
    parts = tuple(part for part in parts if part.folds[0])
    if not parts:
        return Word((Part(0, len(surface), surface, (surface,)),))
    joined: list[Joined] = []
    if len(parts) > 1:
        count = len(parts)
        if count <= 6:
            joined = [_join(parts, i, i + 1) for i in range(count - 1)]
            if count > 2:
                joined.append(_join(parts, 0, count - 1))
    return Word(parts, tuple(joined))


def fold(text: str) -> str:
    """Return ``text`` (one word) folded: NFKC, case, diacritics, apostrophes."""
    text = _APOSTROPHE.sub("", text)
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
    return _bare(text).translate(_LETTERS) if not _DIGIT.search(text) else _decimal(text)


def _decimal(text: str) -> str:
    """Fold a text with digits of other scripts: each is its value."""
    text = _DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), text)
    return text if text.isascii() else _bare(text).translate(_LETTERS)


def _bare(text: str) -> str:
    """Strip combining marks after Latin, Greek, Arabic and Hebrew bases; keep й, Indic, Thai."""
    if text.isascii():
        return text
    kept: list[str] = []
    base_folds = False
    for char in unicodedata.normalize("NFD", text):
        if unicodedata.category(char) == "Mn":
            if not base_folds:
                kept.append(char)
            continue
        kept.append(char)
        base_folds = _folds_marks(ord(char))
    return unicodedata.normalize("NFC", "".join(kept))


def _folds_marks(code: int) -> bool:
    return (
        code < 0x0400  # Latin, Greek and Coptic
        or 0x0590 <= code <= 0x08FF  # Hebrew, Arabic, Syriac and their supplements
        or 0x1E00 <= code <= 0x1FFF
        or 0x2C60 <= code <= 0x2C7F
        or 0xA720 <= code <= 0xA7FF
        or 0xFB1D <= code <= 0xFEFF
    )


def _is_acronym(surface: str) -> bool:
    return "." in surface and _ACRONYM.fullmatch(_APOSTROPHE.sub("'", surface)) is not None


def _acronym(surface: str) -> Part:
    text = _APOSTROPHE.sub("'", surface)
    end = len(text) - 2 if text[-2:] in ("'s", "'S") else len(text)
    exact = unicodedata.normalize("NFKC", text[:end].replace(".", ""))
    return Part(0, end, exact, (fold(exact),))


def _pieces(surface: str) -> list[tuple[int, int]]:
    """Cut at hyphens."""
    spans: list[tuple[int, int]] = []
    start = 0
    for found in _HYPHEN.finditer(surface):
        spans.append((start, found.start()))
        start = found.end()
        if len(spans) >= MAX_PARTS:
            break
    else:
        spans.append((start, len(surface)))
    return [span for span in spans if span[0] < span[1]]


def _part(surface: str, start: int, end: int) -> Part:
    raw = surface[start:end]
    text = _APOSTROPHE.sub("'", raw)
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
        text = unicodedata.normalize("NFKC", text)
    owned = _POSSESSIVE.search(text)
    if owned:
        text = text[: owned.start()]
        end = start + _possessive_at(raw)
    text = _THOUSANDS.sub("", text)
    exact = text
    main = fold(text)
    folds = [main]
    if "'" in text:
        begin, variant = _apostrophe_variant(text)
        if variant:
            folds.append(variant)
            start, end = _narrowed(surface, start, end, begin)
    return Part(start, end, exact, tuple(dict.fromkeys(folds)))


def _possessive_at(raw: str) -> int:
    found = [each.start() for each in _APOSTROPHE.finditer(raw)]
    return found[-1]


def _apostrophe_variant(text: str) -> tuple[bool, str]:
    """Return (the tail counts, the folded variant): "l'Iran" also "iran", "Suriye'de" "suriye"."""
    head, _, tail = text.partition("'")
    if head.lower() in _ELIDED and len(tail) >= 2:
        return True, fold(tail)
    plain_tail = tail.lower()
    if (
        len(head) >= 3
        and 1 <= len(tail) <= 5
        and tail.islower()
        and plain_tail not in _ENGLISH_TAILS
        and head[0].isupper()
    ):
        return False, fold(head)
    return False, ""


def _narrowed(surface: str, start: int, end: int, tail_counts: bool) -> tuple[int, int]:
    found = _APOSTROPHE.search(surface, start, end)
    if found is None:
        return start, end
    return (found.end(), end) if tail_counts else (start, found.start())


def _join(parts: tuple[Part, ...], first: int, last: int) -> Joined:
    chosen = parts[first : last + 1]
    return Joined(
        first,
        last,
        "".join(part.exact for part in chosen),
        ("".join(part.folds[0] for part in chosen),),
    )
