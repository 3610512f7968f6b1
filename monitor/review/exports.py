"""What matched, for other programs: rows of matches, and an Atom feed of a rule (RFC 4287)."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from lxml import etree

from monitor.pipeline.documents import document_of_stored, hits_of
from monitor.sources.text import clean_text
from monitor.store.port import FoundEntry, Store
from monitor.stories.summary import summarise
from monitor.values import Feed, Match

PAGE = 500  # entries read at once
ATOM = "http://www.w3.org/2005/Atom"
# Ids in our feeds are name-based UUIDs (RFC 9562, version 5) in a space of our own, so that a story
# has the same id whenever and wherever its feed is made.
_SPACE = uuid.UUID("5f0a9a54-41d3-5b0f-9d0b-0f6f3d2a7c11")


async def match_rows(
    store: Store, since: datetime, rules: Sequence[str] = ()
) -> AsyncIterator[dict[str, Any]]:
    """Yield one row of JSON values per rule and entry, oldest first; ``rules`` empty: all."""
    at, after = since, ""
    while page := await store.matched_entries(at, rules, after=after, limit=PAGE):
        for found in page:
            for match in await store.matches_of(found.entry.id):
                if not rules or match.rule in rules:
                    yield match_row(found, match)
        at, after = page[-1].entry.first_seen, page[-1].entry.id


def match_row(found: FoundEntry, match: Match) -> dict[str, Any]:
    """Return a match as JSON values; times are RFC 3339 in UTC."""
    stored, entry = found.entry, found.entry.entry
    return {
        "rule": match.rule,
        "score": round(match.score, 4),
        "key": match.key,
        "id": stored.id,
        "story": stored.story_id,
        "kind": stored.story_kind,
        "duplicate_of": stored.duplicate_of,
        "outcome": stored.outcome,
        "title": entry.title,
        "url": entry.url,
        "source": stored.source,
        "feed": found.feed_key,
        "language": stored.language,
        "published": _rfc3339(stored.published),
        "first_seen": _rfc3339(stored.first_seen),
        "hits": [
            {"term": h.term, "entity": h.entity, "field": h.field, "start": h.start, "end": h.end,
             "text": h.text}
            for h in match.hits
        ],
    }  # fmt: skip


async def atom_feed(
    store: Store,
    rule: str,
    *,
    feeds: Mapping[str, Feed],
    since: datetime,
    now: datetime,
    limit: int = 50,
    url: str | None = None,
) -> bytes:
    """Return the Atom feed of a rule's newest stories since ``since``, one entry a story.

    A story's entry is its first report that matched; ``limit`` bounds the reports looked at.
    ``url`` is where the feed is served. The ids of feed and entries never change.
    """
    stories: dict[str, FoundEntry] = {}
    for found in await store.matched_entries(since, (rule,), limit=limit, newest=True):
        stories[found.entry.story_id] = found  # the newest come first: the oldest stays
    shown = sorted(stories.values(), key=lambda each: each.entry.first_seen, reverse=True)
    root = etree.Element(f"{{{ATOM}}}feed", nsmap={None: ATOM})  # type: ignore[dict-item]
    _text(root, "id", _urn(rule))
    _text(root, "title", f"{rule} — newswatch")
    newest = shown[0].entry.first_seen if shown else now
    _text(root, "updated", str(_rfc3339(newest)))
    _text(_element(root, "author"), "name", "newswatch")
    if url:
        _element(root, "link", rel="self", type="application/atom+xml", href=_safe(url))
    for found in shown:
        matches = await store.matches_of(found.entry.id)
        _entry(root, rule, found, matches, feeds)
    body: bytes = etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)
    return body


def _entry(
    root: etree._Element,
    rule: str,
    found: FoundEntry,
    matches: Sequence[Match],
    feeds: Mapping[str, Feed],
) -> None:
    stored, entry = found.entry, found.entry.entry
    document = document_of_stored(found, feeds)
    summary = summarise(document, hits_of([each for each in matches if each.rule == rule]))
    node = _element(root, "entry")
    _text(node, "id", _urn(f"{rule}\n{stored.story_id}"))
    _text(node, "title", entry.title or "(no title)")
    _text(node, "updated", str(_rfc3339(stored.first_seen)))
    if stored.published is not None:
        _text(node, "published", str(_rfc3339(stored.published)))
    _text(_element(node, "author"), "name", stored.source or "unknown")
    if entry.url:
        _element(node, "link", rel="alternate", href=_safe(entry.url))
    for match in matches:
        _element(node, "category", term=_safe(match.rule))
    quoted = "\n".join(part for part in (summary.lead, summary.quote.text) if part)
    if quoted:
        _text(node, "summary", quoted)


def _element(parent: etree._Element, name: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{ATOM}}}{name}", attributes)


def _text(parent: etree._Element, name: str, value: str) -> None:
    _element(parent, name).text = _safe(value)


def _safe(text: str) -> str:
    """Return ``text`` without what XML 1.0 has no way to write."""
    return clean_text(text).replace("\ufffe", "").replace("\uffff", "")


def _urn(name: str) -> str:
    return f"urn:uuid:{uuid.uuid5(_SPACE, name)}"


def _rfc3339(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
