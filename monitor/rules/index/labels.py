"""Conditions on an entry's labels: tags, language, country, source, category, author, URL."""

from __future__ import annotations

from monitor.rules.index.document import Slots
from monitor.rules.index.trie import Trie
from monitor.rules.tree import Meta
from monitor.values import Document


class Labels:
    """Answers ``Meta`` conditions for one document."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def holds(self, meta: Meta) -> bool:
        """Return whether any of the condition's values is on the document.

        An absent label holds for nothing, except that an undetermined language passes.
        """
        document = self.document
        match meta.field:
            case "language":
                if not document.language:
                    return True
                spoken = document.language.lower().replace("_", "-")
                return any(spoken == v or spoken.split("-")[0] == v for v in meta.values)
            case "country":
                return bool(document.country) and (document.country or "").lower() in meta.values
            case "url":
                url = (document.url or "").casefold()
                return bool(url) and any(value in url for value in meta.values)
            case "tag":
                return self._any(meta, document.tags, whole=True)
            case "category":
                return self._any(meta, document.categories)
            case "author":
                return self._any(meta, document.authors)
            case "source":
                names = (document.source, document.feed)
                return self._any(meta, [name for name in names if name])
            case "feed":
                return self._any(meta, [document.feed] if document.feed else [])

    @staticmethod
    def _any(meta: Meta, labels: object, whole: bool = False) -> bool:
        assert isinstance(labels, (list, tuple))
        trie = Trie()
        for term in meta.terms:
            for form in term.forms:
                trie.add(form)
        for label in labels:
            slots = Slots(Document(id="", title=label))
            found = trie.find(slots)
            if not whole and found:
                return True
            size = slots.fields[0][1]
            if any((0, size - 1) in places for places in found.values()):
                return True
        return False
