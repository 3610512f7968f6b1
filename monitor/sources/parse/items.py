"""Items of a well-formed document: feedparser's rules of precedence, in the document's order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lxml import etree

from monitor.sources.parse.draft import EntryDraft, Markup, author_name
from monitor.sources.parse.tree import PAGE_TYPES, XML_LANG, Fallback, Tree

_RDF_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"


def read_items(tree: Tree, nodes: Sequence[etree._Element]) -> list[EntryDraft]:
    """Return the items that ``nodes`` hold; raises ``Fallback`` where one is not understood."""
    handlers: _Handlers = {}
    return [_Item(tree, node, handlers).read() for node in nodes]


class _Item:
    """One item on its way to a draft. ``handlers`` says what to do with a child, by tag; it is
    filled as the document's tags are met."""

    __slots__ = (
        "created",
        "draft",
        "emails",
        "handlers",
        "has_content",
        "links",
        "media_depth",
        "node",
        "original",
        "own_title",
        "source_id",
        "summary_depth",
        "tree",
    )

    def __init__(self, tree: Tree, node: etree._Element, handlers: _Handlers) -> None:
        self.tree = tree
        self.node = node
        self.handlers = handlers
        self.draft = EntryDraft(base=tree.url)
        self.own_title = False  # a title of the item itself: media titles don't replace it
        self.media_depth = 1_000
        self.summary_depth: int | None = None
        self.has_content = False
        self.links: list[tuple[str, bool]] = []  # (link, whether it is a page)
        self.original: str | None = None
        self.created: str | None = None
        self.source_id: str | None = None
        self.emails: list[str] = []

    def read(self) -> EntryDraft:
        draft = self.draft
        about = self.node.get(_RDF_ABOUT)
        if about:
            draft.raw_id = about
        self.walk(self.node, 1)
        links = self.links
        if self.original:
            draft.link = self.original
        elif links:
            draft.link = next((link for link, is_page in links if is_page), links[0][0])
        draft.published = draft.published or self.created
        if not draft.authors and self.emails:
            draft.authors.append(self.emails[-1])
        return draft

    def walk(self, node: etree._Element, depth: int) -> None:
        handlers = self.handlers
        for child in node:
            handler = handlers.get(child.tag)
            if handler is None:
                name = self.tree.code(child)
                handler = _ITEM_HANDLERS.get(name)
                if handler is None:
                    handler = _Item.opaque if name in _OPAQUE else _Item.unknown
                handlers[child.tag] = handler
            handler(self, child, depth)

    def opaque(self, node: etree._Element, depth: int) -> None:
        """What it holds is nothing of the item's."""

    def unknown(self, node: etree._Element, depth: int) -> None:
        """A leaf is no loss; what holds something known may be surprising nesting."""
        if len(node):
            self.tree.refuse_known(node, _ITEM_KNOWN)

    def abstract(self, node: etree._Element, depth: int) -> None:
        raise Fallback("abstract")

    def title(self, node: etree._Element, depth: int) -> None:
        if self.own_title:
            return
        markup = self.tree.markup(node, default_html=False)
        if depth > 1:
            self._nested_title(markup, depth, node)
            return
        if self.draft.title is None or markup.value:
            self.draft.title = markup
            self.own_title = bool(markup.value)
            self._language_of(node)

    def media_title(self, node: etree._Element, depth: int) -> None:
        if not self.own_title:
            self._nested_title(self.tree.markup(node, default_html=False), depth, node)

    def _nested_title(self, markup: Markup, depth: int, node: etree._Element) -> None:
        if markup.value and depth <= self.media_depth:
            self.media_depth = depth
            self.draft.title = markup
            self._language_of(node)

    def _language_of(self, node: etree._Element) -> None:
        if self.tree.has_language and self.draft.language is None:
            self.draft.language = _inherited_language(node)

    def link(self, node: etree._Element, depth: int) -> None:
        href = node.get("href") or node.get("url") or node.get("uri")
        value = self.tree.text(node) if href is None else href.strip()
        if not value or (node.get("rel") or "alternate").lower() != "alternate":
            return
        if self.tree.has_base:
            self.draft.base = self.tree.base(node)
        self.links.append((value, (node.get("type") or "text/html").lower() in PAGE_TYPES))

    def original_link(self, node: etree._Element, depth: int) -> None:
        self.original = self.tree.text(node) or None

    def guid(self, node: etree._Element, depth: int) -> None:
        if depth == 1:
            self.draft.raw_id = self.tree.text(node)

    def description(self, node: etree._Element, depth: int) -> None:
        self._summary(node, depth, default_html=True)

    def summary(self, node: etree._Element, depth: int) -> None:
        self._summary(node, depth, default_html=False)

    def _summary(self, node: etree._Element, depth: int, *, default_html: bool) -> None:
        if self.draft.summary is not None and not self.has_content:
            # a second description is the longer text
            self._add_content(self.tree.markup(node, default_html=False))
            return
        markup = self.tree.markup(node, default_html)
        if self.summary_depth is None or depth <= self.summary_depth:
            self.summary_depth = depth
            self.draft.summary = markup
            if self.draft.title is None:
                self._language_of(node)

    def content(self, node: etree._Element, depth: int) -> None:
        self._add_content(self.tree.markup(node, default_html=False))

    def encoded(self, node: etree._Element, depth: int) -> None:
        self._add_content(self.tree.markup(node, default_html=True))

    def body(self, node: etree._Element, depth: int) -> None:
        self._add_content(Markup(self.tree.inner(node)))

    def _add_content(self, markup: Markup) -> None:
        self.has_content = True
        self.draft.content.append(markup)
        if self.draft.summary is None:
            self.draft.summary = markup

    def published(self, node: etree._Element, depth: int) -> None:
        if depth == 1:
            self.draft.published = self.tree.text(node)

    def updated(self, node: etree._Element, depth: int) -> None:
        if depth == 1:
            self.draft.updated = self.tree.text(node)

    def made(self, node: etree._Element, depth: int) -> None:
        self.created = self.tree.text(node)

    def author(self, node: etree._Element, depth: int) -> None:
        name, mail = "", ""
        if len(node):
            for child in node:
                code = self.tree.code(child)
                if code in ("name", "itunes:name"):
                    name = self.tree.text(child)
                elif code in ("email", "itunes:email"):
                    mail = self.tree.text(child)
        else:
            mail = (node.text or "").strip()
            name = author_name(mail)
        if name:
            self.draft.authors.append(name)
        elif mail:
            self.emails.append(mail)

    def category(self, node: etree._Element, depth: int) -> None:
        term = node.get("term") or node.get("label")
        text = self.tree.text(node)
        self.draft.categories.extend(each for each in (term, text) if each)

    def itunes_category(self, node: etree._Element, depth: int) -> None:
        for each in node.iter():
            if self.tree.code(each) == "itunes:category" and each.get("text"):
                self.draft.categories.append(each.get("text") or "")

    def keywords(self, node: etree._Element, depth: int) -> None:
        self.draft.categories.extend(
            term for each in self.tree.text(node).split(",") if (term := each.strip())
        )

    def language(self, node: etree._Element, depth: int) -> None:
        self.draft.language = self.tree.text(node) or self.draft.language

    def source(self, node: etree._Element, depth: int) -> None:
        draft = self.draft
        draft.source_url = node.get("url") or draft.source_url
        if not len(node):
            draft.source = (node.text or "").strip() or draft.source
            return
        for child in node:
            code = self.tree.code(child)
            if code == "title":
                draft.source = self.tree.markup(child, default_html=False).value
            elif code == "link" and child.get("rel", "alternate") == "alternate":
                draft.source_url = draft.source_url or child.get("href")
            elif code == "id" and (child.text or "").startswith("http"):
                self.source_id = (child.text or "").strip()
        draft.source_url = draft.source_url or self.source_id

    def container(self, node: etree._Element, depth: int) -> None:
        if len(node):
            self.walk(node, depth + 1)


def _inherited_language(node: etree._Element) -> str | None:
    each: etree._Element | None = node
    while each is not None:
        language = each.get(XML_LANG)
        if language is not None:
            return language or None
        each = each.getparent()
    return None


_Handler = Callable[[_Item, etree._Element, int], None]
_Handlers = dict[str, _Handler]
_ITEM_HANDLERS: _Handlers = {
    "abstract": _Item.abstract,
    "title": _Item.title,
    "dc:title": _Item.title,
    "media:title": _Item.media_title,
    "link": _Item.link,
    "feedburner:origlink": _Item.original_link,
    "guid": _Item.guid,
    "id": _Item.guid,
    "description": _Item.description,
    "dc:description": _Item.description,
    "media:description": _Item.description,
    "summary": _Item.summary,
    "itunes:summary": _Item.summary,
    "content": _Item.content,
    "content:encoded": _Item.encoded,
    "fullitem": _Item.encoded,
    "body": _Item.body,
    "xhtml:body": _Item.body,
    "pubdate": _Item.published,
    "published": _Item.published,
    "issued": _Item.published,
    "dcterms:issued": _Item.published,
    "updated": _Item.updated,
    "modified": _Item.updated,
    "lastbuilddate": _Item.updated,
    "dc:date": _Item.updated,
    "dcterms:modified": _Item.updated,
    "created": _Item.made,
    "dcterms:created": _Item.made,
    "author": _Item.author,
    "managingeditor": _Item.author,
    "dc:creator": _Item.author,
    "dc:author": _Item.author,
    "itunes:author": _Item.author,
    "category": _Item.category,
    "keywords": _Item.category,
    "dc:subject": _Item.category,
    "media:category": _Item.category,
    "itunes:category": _Item.itunes_category,
    "itunes:keywords": _Item.keywords,
    "media:keywords": _Item.keywords,
    "tags": _Item.keywords,
    "dc:language": _Item.language,
    "language": _Item.language,
    "source": _Item.source,
    "media:group": _Item.container,
    "media:content": _Item.container,
}
_OPAQUE = frozenset(
    ("contributor", "dc:contributor", "image", "itunes:owner", "media:thumbnail", "media:community")
)
_ITEM_KNOWN = frozenset(_ITEM_HANDLERS) | {"item", "entry"}
