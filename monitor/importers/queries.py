"""Queries of media monitoring vendors, one a line (``monitor.rules.language.importing``)."""

from __future__ import annotations

from collections.abc import Callable

from monitor.importers.brought import Brought, BroughtRule, Names
from monitor.rules.language.importing import import_queries
from monitor.rules.language.vendors import Vendor


def read_queries(vendor: Vendor) -> Callable[[str], Brought]:
    """Return the importer for ``vendor``'s queries."""

    def read(text: str) -> Brought:
        names = Names()
        return Brought(
            tuple(
                BroughtRule(
                    {"name": names.take(each.name or f"{vendor} {each.line}"), "match": each.query},
                    f"line {each.line}",
                    each.source,
                    each.changes,
                )
                for each in import_queries(text, vendor)
            )
        )

    return read
