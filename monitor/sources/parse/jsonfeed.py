"""JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/)."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

from monitor.errors import ParseError
from monitor.sources.parse.draft import EntryDraft, FeedDraft, Markup

_ITEMS_RE = re.compile(r'"items"\s*:\s*\[\s*')
_BETWEEN = frozenset(" \t\r\n,")


def read_json_feed(data: bytes) -> FeedDraft:
    """Return the feed in clean UTF-8 JSON; raises ``ParseError`` where it is something else."""
    notes: list[str] = []
    try:
        document = json.loads(data, strict=False)
    except (ValueError, RecursionError) as error:
        document = _cut_short(data)
        if document is None:
            raise ParseError(f"The answer looks like JSON but isn't valid: {error}") from None
        notes.append("the document is cut short or broken: entries up to there were read")
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        raise ParseError(
            "The answer is JSON but not a JSON Feed (no list of items); check the address"
        )
    return FeedDraft(
        title=_plain(document.get("title")),
        url=_text(document.get("feed_url")),
        site_url=_text(document.get("home_page_url")),
        language=_text(document.get("language")),
        hubs=[
            _text(each.get("url")) or ""
            for each in _objects(document.get("hubs"))
            if str(each.get("type", "")).lower() == "websub"
        ],
        entries=[_entry(each) for each in document["items"] if isinstance(each, dict)],
        notes=notes,
    )


def _cut_short(data: bytes) -> dict[str, Any] | None:
    """Return what is whole of a document that ends too early; None where no item is."""
    text = data.decode("utf-8", "replace")
    start = _ITEMS_RE.search(text)
    if start is None:
        return None
    decoder = json.JSONDecoder(strict=False)
    items = []
    at = start.end()
    with contextlib.suppress(ValueError, RecursionError):
        while True:
            item, at = decoder.raw_decode(text, at)
            items.append(item)
            while text[at : at + 1] in _BETWEEN:
                at += 1
    if not items:
        return None
    try:
        document = json.loads(text[: start.end()] + "]}", strict=False)
    except (ValueError, RecursionError):
        document = {}
    return {**document, "items": items} if isinstance(document, dict) else None


def _entry(item: dict[str, Any]) -> EntryDraft:
    content = _html(item.get("content_html")) or _plain(item.get("content_text"))
    return EntryDraft(
        raw_id=_text(item.get("id")),
        link=_text(item.get("url")) or _text(item.get("external_url")),
        title=_plain(item.get("title")),
        summary=_plain(item.get("summary")),
        content=[content] if content else [],
        published=_text(item.get("date_published")),
        updated=_text(item.get("date_modified")),
        authors=_authors(item),
        categories=[_text(tag) or "" for tag in _list(item.get("tags"))],
        language=_text(item.get("language")),
    )


def _authors(item: dict[str, Any]) -> list[str]:
    authors = _objects(item.get("authors")) or _objects([item.get("author")])
    return [_text(each.get("name")) or "" for each in authors]


def _plain(value: object) -> Markup | None:
    text = _text(value)
    return Markup(text, is_html=False) if text else None


def _html(value: object) -> Markup | None:
    text = _text(value)
    return Markup(text) if text else None


def _text(value: object) -> str | None:
    """Return a string, or a number as text (ids are often numbers)."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in _list(value) if isinstance(each, dict)]
