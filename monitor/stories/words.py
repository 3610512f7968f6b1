"""Folded words: what identity, duplicates and clusters compare.

Coarser than the rule engine's tokens on purpose, and its own: a rule must say exactly where a term
stands, a comparison must forget everything that two copies of one text may differ in (case,
diacritics, punctuation, ligatures, width). Nothing here keeps offsets.
"""

from __future__ import annotations

import re
import unicodedata

# Soft hyphen, zero-width and bidirectional marks: invisible, so two copies may differ in them.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
# Diacritics of Latin, Greek and Cyrillic; the marks of other scripts are letters of their own.
_DIACRITICS = re.compile("[\u0300-\u036f]")
_APOSTROPHE_S = re.compile(r"[’'‘`´]s\b")
# What stands before is looked at last: so the sign itself is searched for, which is quick.
_APOSTROPHES = re.compile(r"[’'‘`´](?<=\w.)(?=\w)")
_GROUPED = re.compile(r",(?<=\d,)(?=\d{3}\b)")
# Scripts written without blanks give one word a character; the rest is runs of letters, marks and
# digits, with a decimal point or comma inside a number.
_SINGLE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
)
_WORD = re.compile(rf"\d+(?:\.\d+)+|[{_SINGLE}]|[^\W_{_SINGLE}]+")
_ASCII_WORD = re.compile(r"\d+(?:\.\d+)+|[a-z0-9]+")
_DECIMAL = re.compile(r"\d\.\d")
_BLANKED = bytes(
    code if chr(code) in "abcdefghijklmnopqrstuvwxyz0123456789" else 32 for code in range(256)
)


def folded(text: str) -> str:
    """Return ``text`` in lower case without diacritics, possessives and invisible marks."""
    if text.isascii():
        out = text.lower()
    else:
        out = unicodedata.normalize("NFKD", _INVISIBLE.sub("", text)).casefold()
        out = unicodedata.normalize("NFC", _DIACRITICS.sub("", out))
    if "'" in out or not out.isascii():
        out = _APOSTROPHES.sub("", _APOSTROPHE_S.sub("", out))
    return _GROUPED.sub("", out) if "," in out else out


def words(text: str) -> list[str]:
    """Return the folded words of ``text`` in order; linear in its length."""
    out = folded(text)
    if not out.isascii():
        return _WORD.findall(out)
    if "." in out and _DECIMAL.search(out):
        return _ASCII_WORD.findall(out)
    return out.encode("ascii").translate(_BLANKED).decode("ascii").split()
