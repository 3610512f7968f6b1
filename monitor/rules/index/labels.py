"""Conditions on an entry's labels: tags, language, country, source, category, author, URL."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.rules.language.detect import language_of
from monitor.rules.text.fold import analyse
from monitor.rules.text.inflect import singular
from monitor.rules.text.scan import surfaces
from monitor.rules.tree import Form, Meta, Test
from monitor.values import Document


class Labels:
    """Answers ``Meta`` conditions for one document, each once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._known: dict[int, bool] = {}
        self._language: str | None = None

    def holds(self, meta: Meta) -> bool:
        """Return whether any of the condition's values is on the document.

        An absent label holds for nothing, except that an undetermined language passes.
        """
        known = self._known.get(id(meta))
        if known is None:
            known = self._known[id(meta)] = self._holds(meta)
        return known

    @property
    def language(self) -> str:
        """The document's language as an ISO 639-1 code or BCP 47 tag, detected if need be; empty
        when it can't be told."""
        if self._language is None:
            self._language = self.document.language or language_of(self.document)
        return self._language

    def _holds(self, meta: Meta) -> bool:
        document = self.document
        match meta.field:
            case "language":
                spoken = self.language.lower().replace("_", "-")
                if not spoken:
                    return True
                return any(spoken == v or spoken.split("-")[0] == v for v in meta.values)
            case "country":
                return bool(document.country) and (document.country or "").lower() in meta.values
            case "url":
                url = (document.url or "").casefold()
                return bool(url) and any(value in url for value in meta.values)
            case "tag":
                return _any(meta, document.tags, whole=True)
            case "category":
                return _any(meta, document.categories)
            case "author":
                return _any(meta, document.authors)
            case "source":
                return _any(meta, [name for name in (document.source, document.feed) if name])
            case "feed":
                return _any(meta, [document.feed] if document.feed else [])


def _any(meta: Meta, labels: Sequence[str], whole: bool = False) -> bool:
    """Whether a label contains (or, for ``whole``, is) one of the condition's terms."""
    rows = [
        [part for surface in surfaces(label) for part in analyse(surface).parts] for label in labels
    ]
    for term in meta.terms:
        for form in term.forms:
            for row in rows:
                words = [(part.exact, part.folds) for part in row]
                starts = range(len(words) - len(form) + 1)
                if whole and len(words) != len(form):
                    continue
                if any(_row_passes(form, words[at : at + len(form)]) for at in starts):
                    return True
    return False


def _row_passes(form: Form, words: Sequence[tuple[str, tuple[str, ...]]]) -> bool:
    return all(
        _passes(test, exact, folds) for test, (exact, folds) in zip(form, words, strict=True)
    )


def _passes(test: Test, exact: str, folds: tuple[str, ...]) -> bool:
    kind, key = test
    if kind == "e":
        return exact == key
    if kind == "p":
        return any(singular(each) == key for each in folds)
    if kind in ("w", "g"):
        return any(each.startswith(key.split("*")[0]) for each in folds)
    return key in folds
