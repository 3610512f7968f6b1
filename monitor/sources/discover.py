"""Which feeds a page names: its ``<link rel="alternate">``, links that look like feeds, guesses.

Pure: fetching what is found here, and finding out whether it is a feed, is for the caller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser

from monitor.sources.parse.decode import decode
from monitor.sources.text import one_line

_PAGE_CAP = 2_000_000  # characters of a page that are looked at
_MOST = 50  # feeds of one page that are returned
_TITLE_CAP = 200  # characters
_FEED_TYPES = frozenset(
    (
        "application/rss+xml",
        "application/atom+xml",
        "application/feed+json",
        "application/rdf+xml",
        "application/rss",
        "application/atom",
    )
)
_FEED_PATH_RE = re.compile(
    r"(?:^|/)(?:rss|atom|feeds?|rdf|index\.(?:rdf|xml))(?:/|$|\.(?:xml|rdf|php|json|aspx?)$)"
    r"|\.(?:rss|atom|rdf)$|[?&](?:feed|format|output|type)=(?:rss|atom|xml)",
    re.IGNORECASE,
)
# Where content systems put a feed that no page names, most used first.
_USUAL_PATHS = ("/feed", "/rss.xml", "/feed.xml", "/atom.xml", "/index.xml", "/rss", "/feed.json")


@dataclass(frozen=True, slots=True)
class FoundFeed:
    """A feed that a page names; ``declared``: by a ``<link>``, not an anchor that looks like it."""

    url: str
    title: str = ""
    declared: bool = True


def feed_links(body: bytes, *, content_type: str | None = None, url: str) -> tuple[FoundFeed, ...]:
    """Return the feeds that a page at ``url`` names, declared ones first, each once."""
    markup = decode(body, content_type).data[:_PAGE_CAP].decode("utf-8", "replace")
    tree = LexborHTMLParser(markup)
    base_node = tree.css_first("base[href]")
    base = _joined(url, base_node.attributes.get("href") or "") if base_node else url
    found: dict[str, FoundFeed] = {}
    for node in tree.css("link[href]"):
        kind = (node.attributes.get("type") or "").split(";")[0].strip().lower()
        relations = (node.attributes.get("rel") or "").lower().split()
        if "alternate" in relations and kind in _FEED_TYPES:
            _add(found, base, node.attributes.get("href"), node.attributes.get("title"), True)
    for node in tree.css("a[href]"):
        if len(found) >= _MOST:
            break
        href = node.attributes.get("href") or ""
        if _FEED_PATH_RE.search(href[:500]):
            _add(found, base, href, node.text(deep=True), False)
    return tuple(found.values())[:_MOST]


def usual_feeds(url: str) -> tuple[str, ...]:
    """Return the addresses where a site's feed usually is, nearest to ``url`` first."""
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}"
    folder = parts.path.rstrip("/")
    near = [f"{root}{folder}{path}" for path in _USUAL_PATHS[:3]] if folder else []
    return tuple(dict.fromkeys([*near, *(f"{root}{path}" for path in _USUAL_PATHS)]))


def _add(
    found: dict[str, FoundFeed], base: str, href: str | None, title: str | None, declared: bool
) -> None:
    target = _joined(base, href or "").partition("#")[0]
    if target and target not in found:
        found[target] = FoundFeed(target, one_line(title or "")[:_TITLE_CAP], declared)


def _joined(base: str, href: str) -> str:
    """Return an absolute http(s) URL, "" where there is none (``feed:`` means http)."""
    href = href.strip()
    if href.startswith("feed:"):
        href = href.removeprefix("feed:")
        href = f"http:{href}" if href.startswith("//") else href
    try:
        target = urljoin(base, href)
        return target if urlsplit(target).scheme in ("http", "https") else ""
    except ValueError:
        return ""
