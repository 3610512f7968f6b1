"""What can still be read of a document that feedparser raises on.

libxml2's recovering parser, entry by entry: one broken entry costs itself, not the feed.
"""

from __future__ import annotations

from lxml import etree

from monitor.errors import ParseError
from monitor.sources.parse.draft import EntryDraft, FeedDraft, Markup

_ENTRY_NAMES = frozenset(("item", "entry"))
_TEXT_NAMES = frozenset(("title", "description", "summary", "content", "encoded"))
_FIELDS = {
    "guid": "raw_id",
    "id": "raw_id",
    "pubdate": "published",
    "published": "published",
    "issued": "published",
    "date": "updated",
    "updated": "updated",
    "modified": "updated",
}


def salvage(data: bytes) -> FeedDraft:
    """Return the entries a recovering parser finds; raises ``ParseError`` if there are none."""
    parser = etree.XMLParser(
        encoding="utf-8",
        recover=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if root is None:
        raise ParseError("nothing in the document could be read as a feed")
    draft = FeedDraft(notes=["too broken for the feed parser: read entry by entry"])
    for node in root.iter():
        name = _name(node)
        if name in _ENTRY_NAMES:
            draft.entries.append(_entry(node))
        elif name == "title" and draft.title is None and not draft.entries:
            draft.title = Markup(_inner(node))
    if not draft.entries:
        raise ParseError("nothing in the document could be read as a feed")
    return draft


def _entry(node: etree._Element) -> EntryDraft:
    draft = EntryDraft()
    for child in node:
        name = _name(child)
        text = _inner(child)
        if name == "link":
            link = child.get("href") or text
            if link and not draft.link and child.get("rel", "alternate") == "alternate":
                draft.link = link
        elif name in _TEXT_NAMES and text:
            _take_text(draft, name, text, child)
        elif name in ("author", "creator") and text:
            draft.authors.append(text)
        elif name == "category":
            draft.categories.append(child.get("term") or text)
        elif name in _FIELDS and text and getattr(draft, _FIELDS[name]) is None:
            setattr(draft, _FIELDS[name], text)
    return draft


def _take_text(draft: EntryDraft, name: str, text: str, node: etree._Element) -> None:
    markup = Markup(text, node.get("type", "html") not in ("text", "text/plain"))
    if name == "title":
        draft.title = draft.title or markup
    elif name in ("content", "encoded"):
        draft.content.append(markup)
    else:
        draft.summary = draft.summary or markup


def _inner(node: etree._Element) -> str:
    return "".join(str(piece) for piece in node.itertext()).strip()


def _name(node: etree._Element) -> str:
    tag = node.tag
    if not isinstance(tag, str):
        return ""
    # a prefix without a namespace stays part of the name
    return tag.rpartition("}")[2].rpartition(":")[2].lower()
