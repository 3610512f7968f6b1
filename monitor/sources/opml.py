"""Lists of feeds: OPML, in which feed readers exchange them (http://opml.org/spec2.opml), and
plain ones.

Folders are tags here and there; a feed in two folders is one feed with two tags. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from lxml import etree

from monitor.errors import ParseError
from monitor.sources.parse.decode import decode
from monitor.sources.parse.draft import web_url
from monitor.sources.parse.repair import mend_references
from monitor.sources.text import clean_text, one_line

_WEB = re.compile(r"https?://[^\s\"'<>|]+")
_MOST = 100_000  # feeds of one file
_NAME_CAP = 300  # characters


@dataclass(frozen=True, slots=True)
class OpmlFeed:
    """A feed in a list: where it is, what it is called, the folders it stands in."""

    url: str
    name: str = ""
    tags: tuple[str, ...] = ()
    site_url: str | None = None


@dataclass(frozen=True, slots=True)
class OpmlList:
    """What a file lists; ``skipped`` are outlines whose address can't be a feed's."""

    feeds: tuple[OpmlFeed, ...]
    skipped: tuple[str, ...] = ()


def read_opml(body: bytes) -> OpmlList:
    """Return the feeds in an OPML file, in its order, each URL once.

    Files with bare ampersands and the like are read as far as they go. Raises ``ParseError`` where
    it is no OPML.
    """
    parser = etree.XMLParser(
        encoding="utf-8",
        recover=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(mend_references(decode(body).data), parser)
    except etree.XMLSyntaxError:
        root = None
    if root is None or _local(root) != "opml":
        raise ParseError("The file is not OPML; export the list of feeds as OPML", "not_opml")
    found: dict[str, OpmlFeed] = {}
    skipped: list[str] = []
    # An explicit stack: a file may nest deeper than Python calls.
    waiting: list[tuple[etree._Element, tuple[str, ...]]] = [(each, ()) for each in reversed(root)]
    while waiting and len(found) < _MOST:
        node, folders = waiting.pop()
        if _local(node) not in ("outline", "body"):
            continue
        name = _name(node.get("title")) or _name(node.get("text"))
        address = _attribute(node, "xmlurl")
        if address:
            url = web_url(address, None)
            if url is None:
                skipped.append(clean_text(address)[:200])
                continue
            tags = tuple(dict.fromkeys((*folders, *_categories(node.get("category")))))
            feed = OpmlFeed(url, name, tags, web_url(_attribute(node, "htmlurl"), None))
            known = found.get(url)
            found[url] = (
                replace(known, tags=tuple(dict.fromkeys((*known.tags, *tags)))) if known else feed
            )
        elif _local(node) == "outline" and name:
            folders = (*folders, name)
        waiting += [(child, folders) for child in reversed(node)]
    return OpmlList(tuple(found.values()), tuple(skipped))


def read_addresses(text: str) -> OpmlList:
    """Return the feeds of a plain list: the web addresses in ``text``, one a line, whatever stands
    around them (``/feed list`` in Slack, a bookmark list). Lines without one are left out."""
    found: dict[str, OpmlFeed] = {}
    for line in text.splitlines():
        for address in _WEB.findall(line.split(" #")[0])[:1]:
            url = web_url(address.rstrip(".,;)]>"), None)
            if url is not None and len(found) < _MOST:
                found.setdefault(url, OpmlFeed(url))
    return OpmlList(tuple(found.values()))


def write_opml(feeds: Iterable[OpmlFeed], *, title: str, now: datetime) -> str:
    """Return an OPML 2.0 file of ``feeds``; each feed stands in the folder of each of its tags."""
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = clean_text(title)
    etree.SubElement(head, "dateCreated").text = format_datetime(now)
    body = etree.SubElement(root, "body")
    folders: dict[str, etree._Element] = {}
    for feed in feeds:
        for tag in feed.tags or ("",):
            parent = body
            if tag:
                if tag not in folders:
                    label = clean_text(tag)
                    folders[tag] = etree.SubElement(body, "outline", text=label, title=label)
                parent = folders[tag]
            name = clean_text(feed.name or feed.url)
            attributes = {"type": "rss", "text": name, "title": name, "xmlUrl": feed.url}
            if feed.site_url:
                attributes["htmlUrl"] = feed.site_url
            etree.SubElement(parent, "outline", attributes)
    text: bytes = etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)
    return text.decode("utf-8")


def setting_of(feed: OpmlFeed, names: set[str]) -> dict[str, Any]:
    """Return a feed as an item of the configuration's ``feeds``; a name in ``names`` is taken, and
    left to its default, one that is not is added there."""
    setting: dict[str, Any] = {"url": feed.url}
    if feed.name and feed.name not in names:
        names.add(feed.name)
        setting["name"] = feed.name
    if feed.tags:
        setting["tags"] = list(feed.tags)
    return setting


def _local(node: etree._Element) -> str:
    tag = node.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _attribute(node: etree._Element, name: str) -> str | None:
    """Return an attribute by name in any case: exporters write xmlUrl, xmlurl and XMLURL."""
    for key, value in node.attrib.items():
        if str(key).lower() == name:
            return str(value)
    return None


def _categories(value: str | None) -> list[str]:
    """Return the tags of OPML's ``category``: "/news/world,politics" → world, politics."""
    parts = (part.strip("/ ").rpartition("/")[2] for part in (value or "").split(","))
    return [name for part in parts if (name := _name(part))]


def _name(value: str | None) -> str:
    return one_line(value or "")[:_NAME_CAP]
