"""What a tag is called, whatever prefix or spelling its feed uses: ``title``, ``media:title``."""

from __future__ import annotations

from feedparser.mixin import _FeedParserMixin  # type: ignore[import-untyped]

# Namespace (lower case) → the prefix feedparser knows it by; "" is the format's own.
_PREFIXES: dict[str, str] = {
    uri.lower(): prefix for uri, prefix in _FeedParserMixin.namespaces.items()
}


def canonical(tag: str, prefix: str | None) -> str:
    """Return the canonical name of ``tag`` in lxml's spelling (``{namespace}local``).

    A namespace that feedparser doesn't know goes by the document's own ``prefix``, as there.
    """
    if tag[0] != "{":
        return tag.lower()
    namespace, _, local = tag[1:].partition("}")
    namespace = namespace.lower()
    known = _PREFIXES.get(namespace)
    if known is None:
        known = "" if "backend.userland.com/rss" in namespace else (prefix or "").lower()
    return f"{known}:{local.lower()}" if known else local.lower()
