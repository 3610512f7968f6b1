"""Bytes → clean UTF-8, once, before any parser sees them.

Order: byte-order mark, HTTP charset, XML declaration, UTF-8, and a guess. What the bytes say wins
over what is declared: bytes that are valid multi-byte UTF-8 are UTF-8 (feeds declare windows-1251
and send UTF-8), and a few bad bytes in a UTF-8 feed don't turn the rest into another alphabet
(measured with feedparser: one bad byte made a whole feed MacRoman, and keyword rules went silent).
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from charset_normalizer import from_bytes

_GUESS_BYTES = 65_536  # what the guess looks at; more doesn't change it
_HEAD = 1_024  # bytes in which an XML declaration must stand

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Names that mean a superset in practice (WHATWG Encoding Standard, section 4.2).
_SUPERSETS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
}
_ALIASES = {
    "x-sjis": "cp932",
    "x-gbk": "gb18030",
    "x-euc-jp": "euc_jp",
    "ks_c_5601-1987": "cp949",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac_cyrillic",
    "macintosh": "mac_roman",
    "unicode": "utf-16",
}
# Codecs of Python that are no character encoding, or an unsafe one (UTF-7 hides markup).
_REFUSED = frozenset(
    ("utf-7", "idna", "punycode", "raw_unicode_escape", "unicode_escape", "undefined", "mbcs")
)
_WIDE = ("utf-16", "utf-32")
_STATEFUL = ("iso2022", "hz")  # plain ASCII bytes mean other characters in these
_GUESSES = [
    "cp1252", "cp1251", "koi8_r", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "cp874",
    "gb18030", "big5", "cp932", "euc_jp", "cp949",
]  # fmt: skip

_CHARSET_RE = re.compile(r"charset\s*=\s*[\"']?([\w.:+-]+)", re.IGNORECASE)
_DECLARED_RE = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:+-]{1,40})[\"']")
_DECLARATION_RE = re.compile(rb"<\?xml(?:\s[^>]{0,500}?)?\?>")
_DROPPED = bytes((*range(9), 11, 12, *range(14, 32), 127))
_FORBIDDEN_RE = re.compile("[\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body as clean UTF-8 without mark, XML declaration and control characters.

    ``encoding`` is what it was; ``notes`` say in plain words what had to be repaired.
    """

    data: bytes
    encoding: str
    notes: tuple[str, ...] = ()


def decode(body: bytes, content_type: str | None = None) -> Decoded:
    """Return ``body`` as clean UTF-8; never raises, a few bad bytes survive.

    ``content_type`` is the HTTP header; only its charset counts.
    """
    notes: list[str] = []
    text, encoding = _text(body, content_type, notes)
    if isinstance(text, str):
        if _FORBIDDEN_RE.search(text):
            text = _FORBIDDEN_RE.sub("\ufffd", text)
        data = text.encode("utf-8")
    else:
        data = text
    cleaned = data.translate(None, _DROPPED)
    if len(cleaned) != len(data):
        notes.append("control characters removed")
    cleaned = cleaned.lstrip()
    while cleaned.startswith(codecs.BOM_UTF8):
        cleaned = cleaned[3:].lstrip()
    declaration = _DECLARATION_RE.match(cleaned)
    if declaration:
        cleaned = cleaned[declaration.end() :].lstrip()
    return Decoded(cleaned, encoding, tuple(notes))


def _text(body: bytes, content_type: str | None, notes: list[str]) -> tuple[str | bytes, str]:
    """Return the text, or the bytes themselves where they are UTF-8 already, and the encoding."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            rest = body[len(mark) :]
            if name == "utf-8":
                break
            return rest.decode(name, "replace"), name
    else:
        rest = body
        wide = _wide_without_mark(rest)
        if wide:
            return rest.decode(wide, "replace"), wide
    declared = _declared(rest, content_type)
    stateful = next((name for name in declared if name.startswith(_STATEFUL)), None)
    if stateful and rest.isascii():
        return rest.decode(stateful, "replace"), stateful
    try:
        text = rest.decode("utf-8")
    except UnicodeDecodeError:
        return _not_utf8(rest, declared, notes)
    legacy = next((name for name in declared if name != "utf-8"), None)
    if legacy and not rest.isascii():
        notes.append(f"declared {legacy}, sent as utf-8")
    return (text if "\ufffe" in text or "\uffff" in text else rest), "utf-8"


def _not_utf8(body: bytes, declared: list[str], notes: list[str]) -> tuple[str, str]:
    for name in declared:
        if name == "utf-8" or name.startswith(_WIDE):
            continue
        text = body.decode(name, "replace")
        # single-byte codecs leave a few bytes undefined; a wrong codec leaves many
        if text.count("\ufffd") * 1000 <= len(text):
            return text, name
    bad: list[int] = []
    repaired = _by_characters(body, bad)
    good = sum(1 for char in repaired[: 1 << 20] if char > "\x7f") - len(bad)
    if good >= len(bad):
        notes.append(f"{len(bad)} bytes that are not utf-8 read as windows-1252")
        return repaired, "utf-8"
    guess = from_bytes(_sample(body), cp_isolation=_GUESSES).best()
    name = guess.encoding if guess else "cp1252"
    name = _SUPERSETS.get(codecs.lookup(name).name, name)
    notes.append(f"encoding not declared or wrong: read as {name}")
    return body.decode(name, "replace"), name


def _by_characters(body: bytes, bad: list[int]) -> str:
    """Decode UTF-8, reading each byte that isn't as windows-1252; their offsets go to ``bad``."""
    parts: list[str] = []
    at = 0
    while True:
        try:
            parts.append(body[at:].decode("utf-8"))
            return "".join(parts)
        except UnicodeDecodeError as error:
            if len(bad) >= 1000:  # each round copies the rest: bound it; the rest is replaced
                parts.append(body[at:].decode("utf-8", "replace"))
                return "".join(parts)
            start = at + error.start
            parts.append(body[at:start].decode("utf-8"))
            parts.append(body[start : start + 1].decode("cp1252", "replace"))
            bad.append(start)
            at = start + 1


def _sample(body: bytes) -> bytes:
    """Return the part of ``body`` a guess should see: from its first non-ASCII byte."""
    found = re.search(rb"[\x80-\xff]", body)
    start = max(0, (found.start() if found else 0) - 200)
    return body[start : start + _GUESS_BYTES]


def _declared(body: bytes, content_type: str | None) -> list[str]:
    names = []
    if content_type and (found := _CHARSET_RE.search(content_type)):
        names.append(found[1])
    if in_body := _DECLARED_RE.search(body[:_HEAD]):
        names.append(in_body[1].decode("ascii", "replace"))
    return [codec for name in names if (codec := _codec(name))]


def _codec(name: str) -> str | None:
    """Return Python's name of the character encoding called ``name``, or None."""
    name = name.lower()
    name = _ALIASES.get(name, name)
    if name.startswith("windows-"):
        name = "cp" + name[8:]
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    if not getattr(info, "_is_text_encoding", False) or info.name in _REFUSED:
        return None
    return _SUPERSETS.get(info.name, info.name)


def _wide_without_mark(body: bytes) -> str | None:
    head = body[:64].lstrip(b" \t\r\n")
    for start, name in (
        (b"<\0\0\0", "utf-32-le"),
        (b"\0\0\0<", "utf-32-be"),
        (b"<\0", "utf-16-le"),
        (b"\0<", "utf-16-be"),
    ):
        if head.startswith(start):
            return name
    return None
