"""Plain text from what a feed or a user may hand us: markup out, entities decoded.

Angle brackets that are not HTML ("BENEQUITY <BH> UNITS", "a < b") stay as they are. One pass,
linear in the length of the text: no nested quantifiers and no search for closing tags.
"""

from __future__ import annotations

import html
import re
from dataclasses import replace

from monitor.values import Document

_BLOCK = frozenset(
    str.split(
        """
    address article aside blockquote body br caption center dd details dialog div dl dt
    fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hr html iframe
    legend li main menu nav noscript ol option p pre section select summary table tbody td
    tfoot th thead title tr ul video
    """
    )
)
_INLINE = frozenset(
    str.split(
        """
    a abbr acronym audio b bdi bdo big button cite code data del dfn em embed font i img
    input ins kbd label link map mark meta meter nobr object output param picture progress q
    rp rt ruby s samp small source span strike strong sub sup svg time track tt u var wbr
    """
    )
)
MAX_MARKUP = 100_000
"""Characters of a field with markup that are looked at: twice what rules look at in plain text. A
feed may hand over 20 MB of nothing but tags, which would take seconds."""
_DROPPED = frozenset(["script", "style", "template", "textarea"])
_TAG = re.compile(
    r"<!--|<!\[CDATA\[|<(/?)([A-Za-z][A-Za-z0-9]*)(?=[\s/>])[^<>]*>|<![A-Za-z][^<>]*>"
)
_BLANKS = re.compile(r"[ \t\r\f\v\xa0]*\n[ \t\r\f\v\xa0]*\n\s*")
_RUN = re.compile(r"[ \t\r\f\v\xa0]{2,}")


def to_plain(text: str) -> str:
    """Return ``text`` without markup: block tags become paragraph breaks, inline tags vanish.

    Entities are decoded twice, since feeds often escape what was escaped already
    (``&amp;nbsp;``). A text without markup or entities is returned unchanged.
    """
    if "<" not in text and "&" not in text:
        return text
    out = text
    for _ in range(2):
        if "<" in out:
            out = _without_tags(out)
        if "&" in out:
            out = html.unescape(out)
    return out


def plain(document: Document) -> Document:
    """Return ``document`` with title, summary and content as plain text (see ``to_plain``); what
    is left of a very long one with markup is its beginning."""
    title = _beginning(document.title)
    summary = _beginning(document.summary)
    content = _beginning(document.content)
    if title is document.title and summary is document.summary and content is document.content:
        return document
    return replace(document, title=title, summary=summary, content=content)


def _beginning(text: str) -> str:
    if len(text) <= MAX_MARKUP or ("<" not in text and "&" not in text):
        return to_plain(text)
    return to_plain(text[:MAX_MARKUP].rpartition(" ")[0] or text[:MAX_MARKUP])


def _without_tags(text: str) -> str:
    pieces: list[str] = []
    at = 0
    dropped = ""  # the element whose text is being left out
    found_any = False
    length = len(text)
    while at < length:
        found = _TAG.search(text, at)
        if found is None:
            break
        kept = "" if dropped else text[at : found.start()]
        at = found.end()
        if found[0] == "<!--":
            end = text.find("-->", at)
            found_any = True
            pieces.append(kept)
            at = length if end < 0 else end + 3
            continue
        name = (found[2] or "").lower()
        known = name in _BLOCK or name in _INLINE or name in _DROPPED or not name
        if not known:
            if not dropped:
                pieces.append(kept + found[0])
            continue
        found_any = True
        pieces.append(kept)
        if dropped:
            dropped = "" if found[1] and name == dropped else dropped
        elif name in _DROPPED:
            dropped = "" if found[1] else name
            pieces.append("\n\n")
        elif name in _BLOCK:
            pieces.append("\n\n")
    if not found_any:
        return text
    if not dropped:
        pieces.append(text[at:])
    return _RUN.sub(" ", _BLANKS.sub("\n\n", "".join(pieces))).strip()
