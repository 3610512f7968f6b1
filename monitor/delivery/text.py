"""Feed text made safe to show: cleaned, cut, escaped; links vetted.

Everything a feed wrote passes ``clean`` before it is shown anywhere. Pure functions.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from monitor.values import Mark, MarkedText

ELLIPSIS = "…"
WINDOW = 2000  # characters looked at beyond what can be shown: some are removed
URL_MAX = 3000  # Slack's limit for a button's url; also ours for links
MARKS_PER_LETTER = 4  # Vietnamese, Hebrew and Indic scripts need up to 3; "zalgo" uses dozens
_JOINERS = "\u200c\u200d"  # ZWNJ, ZWJ: letters in Persian and Indic scripts, glue in emoji
_SPACES = {"\t", "\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"}
# Invisible without being of category Cf: Hangul fillers and the braille blank.
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def _joins(before: str, after: str) -> bool:
    """Tell whether a joiner between these two is orthography (Unicode TR 31, A1/A2/B), not a
    trick: both are letters or marks of scripts beyond Latin, Greek and Cyrillic, or emoji."""

    def needs(char: str) -> bool:
        return char >= "\u0590" and unicodedata.category(char) in ("Lo", "Mn", "Mc", "So", "Sk")

    return bool(before and after) and needs(before) and needs(after)


def _kept(text: str) -> list[tuple[int, str]]:
    """Return (position, character) for each character of ``text`` that may be shown."""
    kept: list[tuple[int, str]] = []
    marks = 0
    for at, char in enumerate(text):
        if " " <= char <= "~":
            marks = 0
            kept.append((at, char))
            continue
        category = unicodedata.category(char)
        if char in _SPACES or category in ("Zs", "Zl", "Zp"):
            char = "\n" if char in "\n\u2028\u2029" else " "
        elif category == "Cs":
            char = "\N{REPLACEMENT CHARACTER}"
        elif char in _JOINERS:
            if not _joins(text[at - 1 : at], text[at + 1 : at + 2]):
                continue
        elif category in ("Cc", "Cf", "Co") or char in _BLANK_LETTERS or _noncharacter(char):
            continue
        elif category in ("Mn", "Me"):
            marks += 1
            if marks > MARKS_PER_LETTER:
                continue
            kept.append((at, char))
            continue
        marks = 0
        kept.append((at, char))
    return kept


def _noncharacter(char: str) -> bool:
    code = ord(char)
    return 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE


def clean(text: str, *, lines: bool = False) -> str:
    """Return ``text`` without control, zero-width, bidi, tag and private-use characters, lone
    surrogates replaced, stacks of combining marks cut down, and white space collapsed (with
    ``lines``, line ends are kept, at most two in a row)."""
    if _plain(text):
        return text.strip()  # nearly every title: nothing to do
    return clean_marked(MarkedText(text), lines=lines).text


def shown(text: str, most: int, *, lines: bool = False) -> str:
    """Return ``text`` cleaned and in at most ``most`` UTF-16 units; the work done is bounded by
    ``most``, whatever a feed sends."""
    window = 4 * most + WINDOW
    cleaned = clean(text[:window], lines=lines)
    if len(text) > window and units(cleaned) <= most - 1:
        return cleaned + ELLIPSIS
    return cut(cleaned, most)


def shown_around(marked: MarkedText, most: int) -> MarkedText:
    """``shown`` for a text with marks: the part around the first mark."""
    first = marked.marks[0].start if marked.marks else 0
    start, end = max(0, first - WINDOW), first + 4 * most + WINDOW
    marks = tuple(
        Mark(max(0, mark.start - start), min(mark.end, end) - start)
        for mark in marked.marks
        if mark.end > start and mark.start < end
    )
    part = clean_marked(MarkedText(marked.text[start:end], marks))
    if start:
        part = MarkedText(
            ELLIPSIS + part.text,
            tuple(Mark(mark.start + 1, mark.end + 1) for mark in part.marks),
        )
    if end < len(marked.text):
        part = MarkedText(part.text + ELLIPSIS, part.marks)
    return around(part, most)


def clean_marked(marked: MarkedText, *, lines: bool = False) -> MarkedText:
    """``clean`` for a text with marks; the marks move with what they mark."""
    source = marked.text
    if (
        source.isascii()
        and source.isprintable()
        and "  " not in source
        and source == source.strip()
    ):
        return MarkedText(source, _moved(marked.marks, range(len(source))))
    out: list[str] = []
    places: list[int] = []
    for at, char in _kept(source):
        if char == "\n" and not lines:
            char = " "
        if char == " " and (not out or out[-1] in " \n"):
            continue
        if char == "\n":
            while out and out[-1] == " ":
                out.pop()
                places.pop()
            if not out or out[-2:] == ["\n", "\n"]:
                continue
        out.append(char)
        places.append(at)
    while out and out[-1] in " \n":
        out.pop()
        places.pop()
    marks = _moved(marked.marks, places) if marked.marks else ()
    return MarkedText("".join(out), marks)


def _plain(text: str) -> bool:
    """Tell whether there is nothing in ``text`` to clean, but blanks at its ends."""
    return text.isascii() and text.isprintable() and "  " not in text


def _moved(marks: tuple[Mark, ...], places: Sequence[int]) -> tuple[Mark, ...]:
    """Return ``marks`` in the coordinates of the kept characters, ordered and disjoint."""
    moved: list[Mark] = []
    for mark in sorted(marks, key=lambda each: (each.start, each.end)):
        start, end = bisect_left(places, mark.start), bisect_left(places, mark.end)
        if moved:
            start = max(start, moved[-1].end)
        if start < end:
            moved.append(Mark(start, end))
    return tuple(moved)


def units(text: str) -> int:
    """Return the length in UTF-16 code units: the most careful reading of Slack's limits, which
    don't say what they count."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, most: int) -> str:
    """Return ``text`` in at most ``most`` UTF-16 units, with an ellipsis where something went;
    at a blank if there is one near, and never inside a letter with its marks."""
    return cut_marked(MarkedText(text), most).text


def cut_marked(marked: MarkedText, most: int) -> MarkedText:
    """``cut`` for a text with marks."""
    text = marked.text
    if len(text) * 2 <= most or units(text) <= most:
        return marked
    room = most - 1
    end = 0
    for char in text:
        room -= 2 if char > "\uffff" else 1
        if room < 0:
            break
        end += 1
    kept = _cut_at(text, end)
    marks = tuple(
        Mark(mark.start, min(mark.end, len(kept)))
        for mark in marked.marks
        if mark.start < len(kept)
    )
    return MarkedText(kept + ELLIPSIS, marks)


def _cut_at(text: str, end: int) -> str:
    """Return at most ``end`` characters of ``text``: up to a blank if one is near, and with no
    visible character split."""
    while end and _glued(text, end):
        end -= 1
    blank = text.rfind(" ", max(0, end - 24), end + 1)
    return text[: blank if blank > 0 else end].rstrip()


def _glued(text: str, at: int) -> bool:
    """Tell whether a cut before position ``at`` would split a visible character."""
    char = text[at] if at < len(text) else ""
    return bool(char) and (
        unicodedata.category(char) in ("Mn", "Me", "Mc")
        or char in _JOINERS
        or text[at - 1] == "\u200d"
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones belong to the emoji before them
        or (_regional(char) and _regional(text[at - 1]) and _flags_before(text, at) % 2 == 1)
    )


def _regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _flags_before(text: str, at: int) -> int:
    count = 0
    while at - count > 0 and _regional(text[at - count - 1]):
        count += 1
    return count


def around(marked: MarkedText, most: int) -> MarkedText:
    """Return at most ``most`` units of ``marked`` that contain its first mark, with an ellipsis
    on each side where something went."""
    if units(marked.text) <= most:
        return marked
    first = marked.marks[0].start if marked.marks else 0
    if units(marked.text[:first]) < most * 2 // 3:
        return cut_marked(marked, most)
    start = max(0, first - most // 3)
    blank = marked.text.find(" ", start, first)
    start = blank + 1 if blank >= 0 else start
    while start < first and _glued(marked.text, start):
        start += 1
    rest = MarkedText(
        ELLIPSIS + marked.text[start:],
        tuple(
            Mark(max(1, mark.start - start + 1), mark.end - start + 1)
            for mark in marked.marks
            if mark.end > start
        ),
    )
    return cut_marked(rest, most)


def escape(text: str) -> str:
    """Escape the three characters that Slack's mrkdwn gives meaning (docs.slack.dev, formatting
    text): the only escapes there are."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_cut(text: str, most: int) -> str:
    """Return ``text`` escaped, in at most ``most`` units *after* escaping, no entity split."""
    escaped = escape(text)
    if units(escaped) <= most:
        return escaped
    low, high = 0, len(text)
    while low < high:  # the longest prefix whose escaped form fits
        middle = (low + high + 1) // 2
        if units(escape(text[:middle])) <= most - 1:
            low = middle
        else:
            high = middle - 1
    return escape(_cut_at(text, low)) + ELLIPSIS


@dataclass(frozen=True, slots=True)
class Link:
    """A vetted link. ``shown_host`` is the host in punycode when its letters could deceive."""

    url: str
    host: str
    shown_host: str = ""


def vet_link(url: str | None) -> Link | None:
    """Return ``url`` as a link that is safe to show, or None.

    Only http and https with a host; no user name before it (``http://bank.com@evil/`` reads as
    bank.com); characters that Slack's own link syntax uses are percent-encoded; a host beyond
    ASCII is written in punycode.
    """
    if not url:
        return None
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    try:
        ascii_host = host if ":" in host else host.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    # What may stand in a host name; whatever else survived is an attempt at something.
    if not all(char.isalnum() or char in "-._:[]" for char in ascii_host):
        return None
    netloc = f"[{ascii_host}]" if ":" in ascii_host else ascii_host
    if port is not None:
        netloc += f":{port}"
    try:
        path = quote(parts.path, safe="/:@!$&'()*+,;=~%-._")
        query = quote(parts.query, safe="/:@!$&'()*+,;=~%-._?[]")
        fragment = quote(parts.fragment, safe="/:@!$&'()*+,;=~%-._?")
    except UnicodeEncodeError:
        return None
    safe = urlunsplit((parts.scheme, netloc, path, query, fragment))
    if len(safe) > URL_MAX:
        return None
    deceptive = any(label.startswith("xn--") for label in ascii_host.split("."))
    return Link(safe, ascii_host, ascii_host if deceptive else "")
