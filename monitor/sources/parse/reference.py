"""Any feed, by feedparser: the reference for what a feed means, and the way for odd ones.

feedparser is called unsanitised on clean UTF-8 bytes in a file object: given a string it would
open it as a path or URL, and its sanitiser is quadratic on ``<!--`` (both measured, 6.0.14).
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

import feedparser
from feedparser.mixin import _FeedParserMixin  # type: ignore[import-untyped]

from monitor.errors import ParseError
from monitor.sources.parse.draft import EntryDraft, FeedDraft, Markup, author_name

_HTML_TYPES = frozenset(("text/html", "application/xhtml+xml"))
_AUTHOR_CAP = 500  # characters; feedparser's e-mail pattern is quadratic (32 kB = 3.8 s, measured)

# GUIDs are kept to the letter: resolved against the document's URL they would change with it.
_FeedParserMixin.can_be_relative_uri = _FeedParserMixin.can_be_relative_uri - {"id"}


def _bounded_author(parser: Any, key: str = "author") -> None:
    context = parser._get_context()
    detail = context.get(f"{key}_detail", {})
    if max(len(context.get(key) or ""), len(detail.get("name") or "")) <= _AUTHOR_CAP:
        _sync_author_detail(parser, key)


_looks_like_html = _FeedParserMixin.looks_like_html
_sync_author_detail = _FeedParserMixin._sync_author_detail
_FeedParserMixin._sync_author_detail = _bounded_author


def read_with_feedparser(data: bytes, url: str | None = None) -> FeedDraft:
    """Return what feedparser finds in clean UTF-8 ``data``.

    ``url`` is the base of relative links. Raises ``ParseError`` where the document is no feed, and
    whatever feedparser raises (a dozen kinds on mutated input); ``ValueError`` also where it finds
    no entry though there are some.
    """
    headers = {"content-type": "application/xml; charset=utf-8"}
    if url:
        headers["content-location"] = url
    found = feedparser.parse(
        BytesIO(data),
        response_headers=headers,
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    if not found.get("version") and not found.entries:
        raise ParseError("no feed elements were found")
    draft = draft_of(found, url)
    if not draft.entries and _LAST_OPEN_RE.search(data):
        raise ValueError("none of its entries was found")
    if found.bozo:
        reason = str(found.get("bozo_exception") or "").strip()
        draft.notes.append(f"not well-formed: {reason[:200]}")
        if _is_cut(data, draft.entries):
            draft.entries.pop()
            draft.notes.append("the document is cut short: its unfinished last entry is left out")
    return draft


def draft_of(found: Any, url: str | None) -> FeedDraft:
    """Return the draft of what feedparser returned; ``url`` is the base of relative links."""
    draft = _feed(found.feed)
    draft.entries = [_entry(each, url) for each in found.entries]
    return draft


_LAST_OPEN_RE = re.compile(rb"<(?:[\w.-]+:)?(item|entry)[\s>]")


def _is_cut(data: bytes, entries: list[EntryDraft]) -> bool:
    """Whether the document ends inside its last entry."""
    if not entries:
        return False
    starts = list(_LAST_OPEN_RE.finditer(data, max(0, data.rfind(b"<item"), data.rfind(b"<entry"))))
    if not starts:
        return False
    rest = data[starts[-1].start() :]
    return b"</" + starts[-1][1] not in rest and b":" + starts[-1][1] + b">" not in rest


def _feed(feed: Any) -> FeedDraft:
    links = feed.get("links", [])
    return FeedDraft(
        title=_markup(feed.get("title_detail"), feed.get("title")),
        url=next((each.get("href") for each in links if each.get("rel") == "self"), None),
        site_url=_alternate(links) or _http(feed.get("link")),
        language=feed.get("language"),
        ttl=_text(feed.get("ttl")),
        hubs=[each.get("href", "") for each in links if each.get("rel") == "hub"],
        update_period=_text(feed.get("sy_updateperiod")),
        update_frequency=_text(feed.get("sy_updatefrequency")),
    )


def _entry(entry: Any, url: str | None) -> EntryDraft:
    contents = [_markup(each, None) for each in entry.get("content", [])]
    present = [each for each in contents if each is not None and each.value]
    source = entry.get("source") or {}
    return EntryDraft(
        raw_id=_text(entry.get("id")),
        link=_link(entry),
        base=url,
        title=_stored(entry, "title"),
        summary=_stored(entry, "summary"),
        content=present,
        published=_text(entry.get("published")) or _text(entry.get("created")),
        updated=_text(dict.get(entry, "updated")),
        authors=_authors(entry),
        categories=[_text(each.get("term") or each.get("label")) or "" for each in _tags(entry)],
        language=_entry_language(entry),
        source=_text(source.get("title")),
        source_url=_text(source.get("href") or source.get("link")),
    )


def _link(entry: Any) -> str | None:
    """Return the original link, or the first page; a GUID stands for a link only if it is one."""
    link = _text(entry.get("feedburner_origlink")) or _alternate(entry.get("links", []))
    if link:
        return link
    link = _text(entry.get("link"))
    return _http(link)


def _http(link: str | None) -> str | None:
    return link if link and link.startswith(("http://", "https://")) else None


def _alternate(links: Any) -> str | None:
    """Return the first alternate that is a page: feedparser itself takes the last."""
    alternates = [each for each in links if each.get("rel", "alternate") == "alternate"]
    pages = [each for each in alternates if "html" in each.get("type", "text/html")]
    for each in pages or alternates:
        if each.get("href"):
            return str(each["href"])
    return None


def _authors(entry: Any) -> list[str]:
    names = [_text(each.get("name")) for each in entry.get("authors", [])]
    present = [name for name in names if name]
    single = _text(entry.get("author"))
    if single and "@" in single and len(names) <= 1:
        # feedparser knows no top-level domain of more than four letters
        return [author_name(single) or single]
    return present or ([single] if single else [])


def _tags(entry: Any) -> list[Any]:
    tags = entry.get("tags")
    return list(tags) if tags else []


def _entry_language(entry: Any) -> str | None:
    if own := _text(entry.get("language")):
        return own
    for key in ("title_detail", "summary_detail"):
        language = (entry.get(key) or {}).get("language")
        if language:
            return str(language)
    return None


def _markup(detail: Any, value: Any) -> Markup | None:
    if detail:
        text = _text(detail.get("value"))
        return Markup(text, detail.get("type") in _HTML_TYPES) if text else None
    text = _text(value)
    return Markup(text) if text else None


def _stored(entry: Any, key: str) -> Markup | None:
    """Return what feedparser kept under ``key``.

    Its ``_detail`` may be of a deeper element that lost against the one kept: only a detail with
    the same value tells the type.
    """
    value = _text(entry.get(key))
    if value is None:
        return None
    for detail in (entry.get(f"{key}_detail"), *entry.get("content", [])):
        if detail and detail.get("value") == value:
            return Markup(value, detail.get("type") in _HTML_TYPES)
    return Markup(value, _looks_like_html(value))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
