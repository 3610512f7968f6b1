"""Bytes → ``ParsedFeed``: which reader a document goes to, and what is said when none can."""

from __future__ import annotations

import re

from monitor.errors import ParseError
from monitor.sources.parse.decode import Decoded, decode
from monitor.sources.parse.draft import FeedDraft, finish_feed
from monitor.sources.parse.fast import read_fast
from monitor.sources.parse.jsonfeed import read_json_feed
from monitor.sources.parse.prescan import prescan
from monitor.sources.parse.reference import read_with_feedparser
from monitor.sources.parse.repair import repair
from monitor.sources.parse.salvage import salvage
from monitor.sources.parse.tree import Fallback
from monitor.values import ParsedFeed

_HTML_RE = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_FEED_RE = re.compile(rb"<(?:[\w.-]+:)?(?:rss|feed|rdf|channel|item|entry)[\s>]", re.IGNORECASE)
_PASSWORD_RE = re.compile(rb"<input[^<>]{0,300}type\s*=\s*[\"']?password", re.IGNORECASE)
_CHALLENGE_RE = re.compile(
    rb"captcha|cf-chl|challenge-platform|are you (?:a )?(?:human|robot)|enable javascript and",
    re.IGNORECASE,
)
_REFRESH_RE = re.compile(rb"<meta[^<>]{0,200}http-equiv\s*=\s*[\"']?refresh", re.IGNORECASE)
_PAGE_HEAD = 262_144  # bytes in which a page shows what it is


def parse(
    body: bytes,
    *,
    content_type: str | None = None,
    url: str | None = None,
    known: frozenset[bytes] = frozenset(),
    max_entries: int | None = None,
    clean: bool = False,
) -> ParsedFeed:
    """Return the feed in ``body``: RSS, RDF, Atom, CDF or JSON Feed, well-formed or not.

    ``content_type`` is the HTTP header (for its charset), ``url`` where the body came from (for
    relative links). Entries whose digest is among ``known`` are counted and left out; of more than
    ``max_entries`` the newest are kept; ``clean`` takes the furniture off
    entries that carry a whole page. Raises ``ParseError`` that says in plain words
    what the body is instead.
    """
    decoded = decode(body, content_type)
    if not decoded.data:
        raise ParseError("The answer is empty; the feed may be broken or switched off", "empty")
    draft = _read(decoded, url)
    draft.notes[:0] = decoded.notes
    return finish_feed(draft, url, known, max_entries, clean=clean)


def _read(decoded: Decoded, url: str | None) -> FeedDraft:
    data = decoded.data
    if data[:1] in (b"{", b"["):
        return read_json_feed(data)
    if b"<" not in data:
        raise ParseError(
            f"The answer is plain text, not a feed ({_excerpt(data)}); check the address"
        )
    page = _page(data, url)
    if not _FEED_RE.search(data):
        raise page or ParseError(
            f"The answer is XML but not a feed ({_excerpt(data)}); check the address"
        )
    try:
        return read_fast_or_mended(data, url)
    except Fallback as fallback:
        reason = str(fallback)
    prescan(data)
    try:
        draft = read_with_feedparser(data, url)
        draft.notes.append(f"read by feedparser: {reason}")
        return draft
    except ParseError:
        raise page or ParseError(
            f"The answer is XML but not a feed ({_excerpt(data)}); check the address"
        ) from None
    except Exception as error:  # noqa: BLE001 - feedparser raises a dozen kinds on broken input
        draft = salvage(repair(data)[0])
        draft.notes.append(f"feedparser failed: {type(error).__name__}")
        return draft


def read_fast_or_mended(data: bytes, url: str | None) -> FeedDraft:
    """Return a feed by the fast path, mended where it isn't well-formed; raises ``Fallback``."""
    try:
        return read_fast(data, url)
    except Fallback as fallback:
        repaired, notes = repair(data) if fallback.malformed else (data, [])
        if not notes:
            raise
        try:
            draft = read_fast(repaired, url)
        except Fallback:
            raise fallback from None
        draft.notes += notes
        return draft


def _page(data: bytes, url: str | None) -> ParseError | None:
    """Return the error for an HTML page, saying which kind; None where it is none."""
    head = data[:_PAGE_HEAD]
    if not _HTML_RE.search(head[:4096]):
        return None
    if _PASSWORD_RE.search(head):
        return ParseError("The answer is a login page, not a feed; give credentials", "login_page")
    if _CHALLENGE_RE.search(head):
        return ParseError(
            "The answer is a check for robots, not a feed; ask the publisher to let readers pass",
            "challenge_page",
        )
    if _REFRESH_RE.search(head):
        return ParseError(
            "The answer is a page that sends browsers elsewhere, not a feed; open it and take "
            "the feed's new address",
            "html_page",
        )
    from monitor.sources.discover import feed_links  # which itself decodes pages by this package

    named = [each.url for each in feed_links(data, url=url) if each.declared] if url else []
    if named:
        return ParseError(
            f"The answer is an HTML page, not a feed; it names one: use {named[0]}", "html_page"
        )
    return ParseError(
        "The answer is an HTML page, not a feed; `newswatch feeds discover` finds feeds of a page",
        "html_page",
    )


def _excerpt(data: bytes) -> str:
    text = " ".join(data[:120].decode("utf-8", "ignore").split())
    return f"it starts: {text[:60]!r}"
