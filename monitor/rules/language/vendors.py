"""The spellings of other vendors, told apart from ours and translated.

What they mean is taken from the vendors' own help pages: Factiva (operators nearN, adjN, w/N, same,
/fN/, atleastN: N counts on to the last word, so near5 is at most four words between), LexisNexis
(w/n, pre/n, w/s, w/p, ``!``), Meltwater (NEAR, ONEAR, term^n). *n* of ours is the largest number of
words between (Meltwater's count).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Vendor = Literal["factiva", "lexis", "meltwater"]
VENDORS: tuple[Vendor, ...] = ("factiva", "lexis", "meltwater")

# Words after which "same" is no operator ("at the same time").
_BEFORE_SAME = frozenset(["the", "this", "that", "of", "and", "or", "not", "("])
_PIECE = re.compile(
    r'"[^"]*"|“[^”]*”|\(|\)|[^\s()"“”]+',
)
_FIELDS = {
    "hd": "title:",
    "hl": "title:",
    "hlp": "title:",
    "headline": "title:",
    "title": "title:",
    "lp": "lead:",
    "lede": "lead:",
    "hlead": "lead:",
    "ingress": "lead:",
    "by": "author:",
    "byline": "author:",
    "author": "author:",
    "sn": "source:",
    "sc": "source:",
    "rst": "source:",
    "source": "source:",
    "la": "lang:",
    "re": "entity:",
}


_SEGMENTS = ("headline", "hlead", "byline")


@dataclass(frozen=True, slots=True)
class Spelling:
    """A vendor's word at ``start``..``end`` in the query, what we write, and why it differs."""

    start: int
    end: int
    found: str
    ours: str
    vendor: str
    note: str = ""


def spellings(query: str, vendor: Vendor | None = None) -> Iterator[Spelling]:
    """Yield the foreign spellings in ``query``, in order.

    Without ``vendor`` only what can't be meant in our own language is reported.
    """
    before = ""
    for piece in _PIECE.finditer(query):
        text = piece[0]
        if text[0] not in '"“()':
            touches = query[piece.start() - 1 : piece.start()] in ('"', "”", ")")
            found = _after(text) if touches else None
            found = found or _translate(text, vendor) or _same(text, before, vendor)
            if query.startswith("(", piece.end()):
                found = found or _segment(text)
            if found is not None:
                ours, who, note = found
                yield Spelling(piece.start(), piece.end(), text, ours, who, note)
        before = text


def translated(query: str, vendor: Vendor | None = None) -> str:
    """Return ``query`` with foreign spellings replaced by ours (precedence untouched)."""
    out: list[str] = []
    at = 0
    for each in spellings(query, vendor):
        out.append(query[at : each.start])
        out.append(each.ours)
        at = each.end
    return "".join([*out, query[at:]])


def _translate(text: str, vendor: Vendor | None) -> tuple[str, str, str] | None:
    lower = text.lower()
    if vendor == "factiva" and (each := re.fullmatch(r"w/(\d{1,3})", lower)):
        return _counted(each, "ONEAR", "Factiva")  # Factiva's w/N is ordered, LexisNexis' isn't
    for pattern, build in _OPERATORS:
        found = pattern.fullmatch(text)
        if found:
            return build(found)
    if vendor is not None and lower in ("and", "or", "not"):
        return (text.upper(), vendor, "") if text != text.upper() else None
    if vendor == "meltwater" and lower in ("near", "onear"):
        return f"{text.upper()}/4", "Meltwater", "NEAR without a number allows four words between"
    if text in ("NEAR", "ONEAR"):
        return f"{text}/4", "Meltwater", "NEAR without a number allows four words between"
    if text in ("|", "||"):
        return "OR", "search engines", ""
    if text in ("&", "&&", "+"):
        return "AND", "search engines", ""
    if re.fullmatch(r"(?:w|near|pre|onear)/(?:s|p|seg)", lower):
        return ("SENT" if lower.endswith("/s") else "PARA"), "LexisNexis", ""
    if lower in ("/s", "/p"):
        return ("SENT" if lower == "/s" else "PARA"), "LexisNexis", ""
    if vendor == "factiva" and (each := re.fullmatch(r"([a-z]{2,3})=(.*)", text)):
        field = _FIELDS.get(each[1])
        return (field + each[2], "Factiva", "") if field else None
    if vendor is None and (each := re.fullmatch(r"(hd|hl|hlp|lp|by|sn|rst|la)=(.*)", text)):
        return _FIELDS[each[1]] + each[2], "Factiva", ""
    if vendor == "lexis" and (each := re.fullmatch(r"(?i)(headline|hlead|byline)", text)):
        return _FIELDS[each[1].lower()], "LexisNexis", ""
    if vendor == "meltwater" and (each := re.fullmatch(r"ingress:(.*)", text)):
        return f"lead:{each[1]}", "Meltwater", ""
    return None


def _segment(text: str) -> tuple[str, str, str] | None:
    """Read a word right before a parenthesis as LexisNexis does: headline(arms)."""
    lower = text.lower()
    return (_FIELDS[lower], "LexisNexis", "") if lower in _SEGMENTS else None


def _same(text: str, before: str, vendor: Vendor | None) -> tuple[str, str, str] | None:
    """Read ``same`` between two terms as Factiva does; not in "at the same time"."""
    operator = (
        vendor == "factiva"
        or text == "SAME"
        or (text == "same" and before and before.lower() not in _BEFORE_SAME)
    )
    if text.lower() != "same" or not operator:
        return None
    return "PARA", "Factiva", "same paragraph; quote the phrase if the word is meant"


def _after(text: str) -> tuple[str, str, str] | None:
    """Read what stands right behind a phrase or a group: a boost, or a distance."""
    if re.fullmatch(r"\^\d+(?:\.\d+)?", text):
        return "", "Meltwater", "a boost has no meaning here"
    if found := re.fullmatch(r"~(\d{1,3})", text):
        return "", "search engines", f"write the words apart: one NEAR/{found[1]} other"
    return None


def _off_by_one(n: str) -> int:
    return max(int(n) - 1, 0)


def _counted(found: re.Match[str], operator: str, vendor: str) -> tuple[str, str, str]:
    ours = _off_by_one(found[1])
    return (
        f"{operator}/{ours}",
        vendor,
        f"{vendor} counts up to the word itself, we count the words between: {operator}/{found[1]} "
        "would allow one more",
    )


_OPERATORS = (
    (re.compile(r"(?i)w/(\d{1,3})"), lambda m: _counted(m, "NEAR", "LexisNexis")),
    (re.compile(r"(?i)/(\d{1,3})"), lambda m: _counted(m, "NEAR", "LexisNexis")),
    (re.compile(r"(?i)pre/(\d{1,3})"), lambda m: _counted(m, "ONEAR", "LexisNexis")),
    (re.compile(r"(?i)/n(\d{1,3})/"), lambda m: _counted(m, "NEAR", "Factiva")),
    (re.compile(r"(?i)/w(\d{1,3})/"), lambda m: _counted(m, "ONEAR", "Factiva")),
    (re.compile(r"(?i)near(\d{1,3})"), lambda m: _counted(m, "NEAR", "Factiva")),
    (re.compile(r"(?i)adj(\d{1,3})"), lambda m: _counted(m, "ONEAR", "Factiva")),
    (re.compile(r"near/(\d{1,3})"), lambda m: (f"NEAR/{m[1]}", "lower case", "")),
    (re.compile(r"(?i)near/(\d{1,3})f"), lambda m: (f"ONEAR/{m[1]}", "Brandwatch", "")),
    (re.compile(r"onear/(\d{1,3})"), lambda m: (f"ONEAR/{m[1]}", "lower case", "")),
    (re.compile(r"onear"), lambda m: ("ONEAR/4", "Meltwater", "four words between")),
    (re.compile(r"(?i)/f(\d{1,3})/"), lambda m: (f"FIRST/{m[1]}", "Factiva", "")),
    (re.compile(r"(?i)atleast(\d{1,2})"), lambda m: (f"ATLEAST/{m[1]}", "Factiva", "")),
    (re.compile(r"atleast/(\d{1,2})"), lambda m: (f"ATLEAST/{m[1]}", "lower case", "")),
    (re.compile(r"first/(\d{1,3})"), lambda m: (f"FIRST/{m[1]}", "lower case", "")),
    (re.compile(r"(\w{3,})!"), lambda m: (f"{m[1]}*", "LexisNexis", "")),
    (re.compile(r"(\w{3,})\$\d"), lambda m: (f"{m[1]}*", "Factiva", "any number of letters")),
    (re.compile(r"(\S+)\^\d+"), lambda m: (m[1], "Meltwater", "a boost has no meaning here")),
    (re.compile(r"-([^\W\d][\w'’-]+)"), lambda m: (f"NOT {m[1]}", "search engines", "")),
    (
        re.compile(r"\+([^\W\d][\w'’-]+)"),
        lambda m: (m[1], "search engines", "join what is required by AND"),
    ),
    (
        re.compile(r"!([^\W\d][\w'’-]+)"),
        lambda m: (f"NOT {m[1]}", "TrendRadar", f"or ={m[1]} for exact capitals"),
    ),
)
