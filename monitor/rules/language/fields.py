"""The fields of a query: places in the text, labels, and what other tools call them."""

from __future__ import annotations

from monitor.config.suggest import closest
from monitor.rules.tree import MetaField

TEXT_PLACES = ("title", "summary", "content", "body", "lead")
LABELS: dict[str, MetaField] = {
    "url": "url",
    "author": "author",
    "source": "source",
    "feed": "feed",
    "tag": "tag",
    "category": "category",
    "lang": "language",
    "language": "language",
    "country": "country",
}
FIELDS = (*TEXT_PLACES, *LABELS)
# Fields of other tools, and ours.
_LIKE = {
    "site": "url",
    "domain": "url",
    "inurl": "url",
    "intitle": "title",
    "headline": "title",
    "text": "content",
    "intext": "content",
    "ingress": "lead",
    "by": "author",
    "sourcelang": "lang",
    "sourcecountry": "country",
    "tags": "tag",
    "category_name": "category",
}


def hint_for(name: str) -> str:
    """Return the fix for a field ``name`` that there is not."""
    if like := _LIKE.get(name) or closest(name, [*FIELDS, "entity", "list"]):
        return f"did you mean {like}:?"
    return f"fields are {', '.join(FIELDS)}; quote the text if `:` belongs to it"
