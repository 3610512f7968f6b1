"""What stands in the nodes of a well-formed document: names, plain text, text constructs.

Shared by what reads the feed's own data and what reads its items. Whatever isn't fully understood
raises ``Fallback``.
"""

from __future__ import annotations

from feedparser.mixin import _FeedParserMixin  # type: ignore[import-untyped]
from lxml import etree

from monitor.sources.parse.draft import Markup
from monitor.sources.parse.names import canonical

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
PAGE_TYPES = ("text/html", "html", "xhtml", "application/xhtml+xml")
_HTML_TYPES = frozenset(("html", "text/html", "xhtml", "application/xhtml+xml"))
_PLAIN_TYPES = frozenset(("text", "text/plain", "plain"))
_XHTML_TYPES = frozenset(("xhtml", "application/xhtml+xml"))
_looks_like_html = _FeedParserMixin.looks_like_html


class Fallback(Exception):
    """This document needs feedparser; the argument is the reason, for counting.

    ``malformed`` says that it isn't well-formed XML, which may be mended.
    """

    def __init__(self, reason: str, *, malformed: bool = False) -> None:
        super().__init__(reason)
        self.malformed = malformed


class Tree:
    """One document as a tree. ``url`` is the base of its relative links; ``has_base`` and
    ``has_language`` say whether any node may set another, or a language."""

    def __init__(
        self, root: etree._Element, url: str | None, *, has_base: bool, has_language: bool
    ) -> None:
        self.root = root
        self.url = url
        self.has_base = has_base
        self.has_language = has_language
        self.guess_html = True  # RSS doesn't say whether a title is HTML: look at it
        self.codes: dict[str, str] = {}  # tag → canonical name, per document (prefixes vary)

    def code(self, node: etree._Element) -> str:
        """Return a node's canonical name: ``title``, ``media:title``, ``dc:date``."""
        tag = node.tag
        code = self.codes.get(tag)
        if code is None:
            if not isinstance(tag, str):
                raise Fallback("entity reference")
            code = self.codes[tag] = canonical(tag, node.prefix)
        return code

    def refuse_known(self, node: etree._Element, known: frozenset[str]) -> None:
        """Raise ``Fallback`` where a node that isn't understood holds one that is."""
        for each in node.iterdescendants():
            if self.code(each) in known:
                raise Fallback("odd nesting")

    def text(self, node: etree._Element) -> str:
        """Return the text of a node that should hold nothing else."""
        if len(node):
            raise Fallback("inline markup")
        return (node.text or "").strip()

    def markup(self, node: etree._Element, default_html: bool) -> Markup:
        """Return a text construct; ``default_html`` is what a missing type means."""
        kind = node.get("type")
        if kind is None:
            is_html = default_html
        else:
            kind = kind.lower()
            if node.get("mode"):
                raise Fallback("atom 0.3")
            if kind in _XHTML_TYPES:
                return Markup(self.inner(node))
            is_html = kind in _HTML_TYPES
            if not is_html and kind not in _PLAIN_TYPES:
                raise Fallback("content type")
        value = self.text(node)
        if not is_html and self.guess_html and ("<" in value or "&" in value):
            is_html = _looks_like_html(value)
        return Markup(value, is_html)

    def inner(self, node: etree._Element) -> str:
        """Return a node's inline XHTML as HTML."""
        parts = [node.text or ""]
        for child in node:
            for each in child.iter():
                if each.prefix or not isinstance(each.tag, str):
                    raise Fallback("prefixed xhtml")
            parts.append(etree.tostring(child, encoding="unicode", method="html"))
        return "".join(parts).strip()

    def base(self, node: etree._Element) -> str | None:
        return node.base if self.has_base else self.url
