"""Mends what makes most of the malformed feeds malformed, so that a strict parser reads them.

Each mending leaves the text as a reader sees it, and says what it did.
"""

from __future__ import annotations

import html.entities
import re

_NAMED = {
    name.encode(): chr(code).encode("utf-8")
    for name, code in html.entities.name2codepoint.items()
    if name not in ("amp", "lt", "gt", "quot", "apos")
}
_AMPERSAND_RE = re.compile(
    rb"&(?:(amp|lt|gt|quot|apos);|#(\d{1,10});|#[xX]([0-9a-fA-F]{1,8});|([a-zA-Z][a-zA-Z0-9]{1,8});)?"
)
_ROOT_RE = re.compile(rb"<(rss|feed|rdf:RDF|RDF)(?=[\s>])")
_BARE_VALUE_RE = re.compile(rb"(\s[\w:.-]{1,60})=([^\s\"'<>]{1,200})")
_PREFIX_RE = re.compile(rb"</?([a-zA-Z][\w.-]{0,30}):[a-zA-Z]")
_DECLARED_RE = re.compile(rb"xmlns:([\w.-]{1,30})\s*=")
# What feeds forget to declare, by its usual prefix; any other prefix gets a name of its own.
_USUAL = {
    b"atom": b"http://www.w3.org/2005/Atom",
    b"content": b"http://purl.org/rss/1.0/modules/content/",
    b"dc": b"http://purl.org/dc/elements/1.1/",
    b"dcterms": b"http://purl.org/dc/terms/",
    b"feedburner": b"http://rssnamespace.org/feedburner/ext/1.0",
    b"georss": b"http://www.georss.org/georss",
    b"itunes": b"http://www.itunes.com/dtds/podcast-1.0.dtd",
    b"media": b"http://search.yahoo.com/mrss/",
    b"rdf": b"http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    b"slash": b"http://purl.org/rss/1.0/modules/slash/",
    b"sy": b"http://purl.org/rss/1.0/modules/syndication/",
    b"thr": b"http://purl.org/syndication/thread/1.0",
    b"wfw": b"http://wellformedweb.org/CommentAPI/",
    b"xhtml": b"http://www.w3.org/1999/xhtml",
}


def repair(data: bytes) -> tuple[bytes, list[str]]:
    """Return clean UTF-8 ``data`` mended, and what was mended in plain words (empty: nothing).

    Mends bare ampersands and HTML's entities outside CDATA, references to characters that can't
    be, prefixes without a namespace, bare attribute values of the root element, and what stands
    before or after it.
    """
    notes: list[str] = []
    mended = mend_references(data)
    if mended != data:
        notes.append("bare ampersands or HTML entities repaired")
    root = _ROOT_RE.search(mended)
    if root is None:
        return mended, notes
    framed = _framed(mended, root)
    if framed != mended:
        notes.append("text before or after the feed cut off")
    end = framed.find(b">")
    quoted = _BARE_VALUE_RE.sub(rb'\1="\2"', framed[:end]) + framed[end:]
    if quoted != framed:
        notes.append("attributes without quotes")
        framed = quoted
    root = _ROOT_RE.match(framed)
    missing = _undeclared(framed) if root else []
    if root and missing:
        names = b"".join(
            b' xmlns:%s="%s"' % (each, _USUAL.get(each, b"urn:undeclared:" + each))
            for each in missing
        )
        framed = framed[: root.end()] + names + framed[root.end() :]
        notes.append("namespace prefixes without a declaration")
    return framed, notes


def mend_references(data: bytes) -> bytes:
    """Return ``data`` with bare ampersands, HTML's entities and impossible characters mended.

    CDATA is split off by hand: a pattern would rescan unclosed sections.
    """
    first, *sections = data.split(b"<![CDATA[")
    out = [_references(first)]
    for section in sections:
        inside, end, after = section.partition(b"]]>")
        out += [b"<![CDATA[", inside, end, _references(after)]
    return b"".join(out)


def _references(data: bytes) -> bytes:
    return _AMPERSAND_RE.sub(_reference, data) if b"&" in data else data


def _reference(found: re.Match[bytes]) -> bytes:
    whole: bytes = found[0]
    if found[1]:
        return whole
    if found[2] or found[3]:
        code = int(found[2]) if found[2] else int(found[3], 16)
        allowed = code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD
        return whole if allowed or 0x10000 <= code <= 0x10FFFF else b""
    if found[4]:
        return _NAMED.get(found[4], b"&amp;" + whole[1:])
    return b"&amp;"


def _framed(data: bytes, root: re.Match[bytes]) -> bytes:
    """Cut off what stands before the root element and after its end."""
    end = data.rfind(b"</" + root[1])
    close = data.find(b">", end) if end > root.start() else -1
    return data[root.start() : close + 1] if close > 0 else data[root.start() :]


def _undeclared(data: bytes) -> list[bytes]:
    used = set(_PREFIX_RE.findall(data)) - {b"xml"}
    return sorted(used - set(_DECLARED_RE.findall(data)))[:20]
