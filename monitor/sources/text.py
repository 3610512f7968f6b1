"""HTML → plain text with its paragraphs, and plain-text pages without their furniture.

Pure functions over strings, bounded in time on hostile input: nothing here scans backwards over a
tag (``<[^>]*>`` over unclosed tags is quadratic: 30 s on 1 MB, measured), and the HTML parser gets
at most ``FIELD_CAP`` characters of one field.
"""

from __future__ import annotations

import html
import re

from selectolax.lexbor import LexborHTMLParser

FIELD_CAP = 100_000  # characters of one field that are looked at; the longest real ones are 60,000
TITLE_CAP = 1_000  # characters of a title kept; the longest real headlines have 300
# Lexbor takes 1 s for 20,000 nested <div> and 5 ms for 500 (measured): markup nested deeper than
# this is no article, and loses its tags by a linear scan instead.
_MAX_OPEN = 500
_STRIDE = 4_096  # characters counted at a time when looking for depth

_PARAGRAPH = "\x01"  # ends a paragraph; control characters never reach this far in real text
_LINE = "\x02"  # a line end inside a paragraph

# C1 controls in text are windows-1252 characters that somebody numbered (HTML, section 13.2.5.80).
_CONTROL: dict[int, str | None] = {
    **dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0x7F)),
    **{code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)},
}
_CONTROL_RE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE_RE = re.compile(r"[\ud800-\udfff]")
_BLOCKS = (
    "address|article|aside|blockquote|caption|center|dd|details|dialog|div|dl|dt|fieldset|"
    "figcaption|figure|footer|form|h[1-6]|header|hr|li|main|nav|ol|option|p|pre|section|summary|"
    "table|td|th|tr|ul"
)
# Lower and upper case spelled out: IGNORECASE is three times as slow (measured).
_BLOCK_RE = re.compile(rf"(</?(?:{_BLOCKS}|{_BLOCKS.upper()})(?:[\s/][^<>]*)?>)")
_BREAK_RE = re.compile(r"</?(?:br|BR)(?:[\s/][^<>]*)?>")
_BREAK_PAIR_RE = re.compile(r"<br[^<>]*></br>")
_HIDDEN = ["script", "style", "noscript", "template", "iframe", "object", "svg", "math", "head"]
_FEW_TAGS = 12  # up to here it is quicker to cut tidy tags out than to parse (twice for a summary)
# Elements that neither hide their text nor move it, however they nest, and attributes that are
# quoted and hold no angle brackets.
_TIDY_TAG_RE = re.compile(
    r"</?(?:a|abbr|acronym|address|article|aside|b|big|blockquote|br|center|cite|code|dd|del|div|dl"
    r"|dt|em|figcaption|figure|font|footer|h[1-6]|header|hr|i|img|ins|kbd|li|main|mark|nav|ol|p"
    r"|picture|q|s|samp|section|small|source|span|strike|strong|sub|sup|time|tt|u|ul|var|wbr)"
    r"(?:\s+[a-zA-Z_:][-\w:.]*(?:\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'))?)*\s*/?>",
    re.ASCII,
)
# To take them off costs more than to parse a short field; most fields have none. What has a title
# or frames would have it in the head that the parser gives every page.
_HIDDEN_RE = re.compile(
    r"<(?:script|style|no(?:script|frames)|template|iframe|object|svg|math|head|title)",
    re.IGNORECASE,
)
_TAG_RE = re.compile(r"</?[a-zA-Z][^<>]*>")
_OPEN_RE = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*>")
_NEVER_NESTS = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"),
        *("source", "track", "wbr", "p", "li", "dd", "dt", "option", "tr", "td", "th"),
    )
)
_BLANK_LINE_RE = re.compile(r"\n[ \t\r]*\n\s*")
_ENTITY_RE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")


def clean_text(text: str) -> str:
    """Return ``text`` without control characters (line ends and tabs stay) and lone surrogates."""
    if text.isprintable():  # neither is, nor are line ends: most short texts
        return text
    if _CONTROL_RE.search(text):
        text = text.translate(_CONTROL)
    if not text.isascii() and _SURROGATE_RE.search(text):
        text = _SURROGATE_RE.sub("\ufffd", text)
    return text


def one_line(text: str) -> str:
    """Return ``text`` cleaned, on one line, blanks collapsed."""
    if "  " not in text and text.isprintable():  # a blank is the only space that is
        return text.strip()
    return " ".join(clean_text(text).split())


def plain_paragraphs(text: str) -> str:
    """Return plain text with paragraphs as blank lines; single line ends become blanks."""
    text = text[:FIELD_CAP]
    if "  " not in text and text.isprintable():
        return text.strip()
    text = clean_text(text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\n" not in text:
        return " ".join(text.split())
    parts = (" ".join(part.split()) for part in _BLANK_LINE_RE.split(text))
    return "\n\n".join(part for part in parts if part)


def html_to_text(markup: str, cap: int = FIELD_CAP) -> str:
    """Return the plain text of an HTML fragment, paragraphs as blank lines.

    ``cap`` is the number of characters of ``markup`` that are looked at. Scripts, styles, comments
    and markup disappear, blocks (paragraphs, list items, cells, line breaks in pairs) end
    paragraphs. Markup without any block keeps its blank lines as paragraphs: such texts are plain
    text with a few tags.
    """
    markup = markup[:cap]
    if "<" not in markup:
        return plain_paragraphs(html.unescape(markup) if "&" in markup else markup)
    if nests_deeply(markup):
        return plain_paragraphs(html.unescape(_TAG_RE.sub(" ", markup)))
    # Splitting and joining puts a mark on both sides of each block tag, all in C. A mark between
    # cells is moved in front of the table, where it does no harm.
    pieces = _BLOCK_RE.split(markup)
    marked = _PARAGRAPH.join(pieces)
    breaks = 0
    if "<br" in marked or "<BR" in marked:
        # an XHTML serialiser's pair is one line end
        marked, pairs = _BREAK_PAIR_RE.subn(_LINE, marked)
        marked, breaks = _BREAK_RE.subn(_LINE, marked)
        breaks += pairs
    if len(pieces) == 1 and not breaks:
        marked = _BLANK_LINE_RE.sub(_PARAGRAPH, marked)
    text = _without_tags(marked) if marked.count("<") <= _FEW_TAGS else None
    if text is None:
        text = _read_as_page(marked)
    if breaks:
        text = _join_lines(text)
    parts = [one_line(part) for part in text.split(_PARAGRAPH) if part and not part.isspace()]
    return "\n\n".join([part for part in parts if part])


def _without_tags(markup: str) -> str | None:
    """Return the text of simple, tidy markup, or None where a parser must say what it means."""
    text, tags = _TIDY_TAG_RE.subn("", markup)
    if tags != markup.count("<") or tags != markup.count(">"):
        return None
    return html.unescape(text) if "&" in text else text


def _read_as_page(markup: str) -> str:
    tree = LexborHTMLParser(markup)
    if _HIDDEN_RE.search(markup):
        tree.strip_tags(_HIDDEN)
    root = tree.root
    return "" if root is None else (root.text(deep=True, separator="") or "")


def title_text(value: str, *, is_html: bool) -> str:
    """Return a title as one line of plain text.

    ``is_html`` says the value is markup; otherwise tags in it are literal text. What still holds
    an entity after that was escaped once too often and is decoded once more ("Q&amp;amp;A").
    """
    value = value[: TITLE_CAP * 10]
    text = html_to_text(value) if is_html else value
    if "&" in text and _ENTITY_RE.search(text):
        text = html.unescape(text)
    text = one_line(text)
    return text if len(text) <= TITLE_CAP else text[:TITLE_CAP].rstrip() + "…"


def _join_lines(text: str) -> str:
    """Turn line marks into blanks, two or more in a row into the end of a paragraph."""
    lines = text.split(_LINE)
    out = [lines[0]]
    blank = False
    for line in lines[1:]:
        if line.strip():
            out.append((_PARAGRAPH if blank else " ") + line)
            blank = False
        else:
            blank = True
    return "".join(out)


def nests_deeply(markup: str) -> bool:
    """Whether elements nest deeper than any article's; a rough count first, in C."""
    if markup.count("<") <= _MAX_OPEN:
        return False
    balance = highest = 0
    for start in range(0, len(markup), _STRIDE):
        balance += markup.count("<", start, start + _STRIDE)
        balance -= 2 * markup.count("</", start, start + _STRIDE)
        highest = max(highest, balance)
    return highest > _MAX_OPEN and _depth(markup) > _MAX_OPEN


def _depth(markup: str) -> int:
    depth = deepest = 0
    for tag in _OPEN_RE.finditer(markup):
        if tag[2].lower() in _NEVER_NESTS:
            continue
        if tag[1]:
            depth = max(0, depth - 1)
        else:
            depth += 1
            deepest = max(deepest, depth)
    return deepest
