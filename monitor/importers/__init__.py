"""Rules and feeds of other programs, brought over: read, translated, and what changes said.

Pure: each importer takes a file's text and gives what would stand in the configuration
(``Brought``); nothing is read or written here. A meaning that can't be kept is said, never
dropped in silence, and a rule that would fire on more than it did comes switched off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from monitor.importers.brought import Brought, BroughtRule
from monitor.importers.google_alerts import read_google_alerts
from monitor.importers.miniflux import read_miniflux
from monitor.importers.monitorss import read_monitorss
from monitor.importers.queries import read_queries
from monitor.importers.trendradar import read_frequency_words
from monitor.rules.language.vendors import VENDORS

__all__ = ["IMPORTERS", "Brought", "BroughtRule"]

IMPORTERS: Mapping[str, Callable[[str], Brought]] = {
    **{vendor: read_queries(vendor) for vendor in VENDORS},
    "google-alerts": read_google_alerts,
    "miniflux": read_miniflux,
    "monitorss": read_monitorss,
    "trendradar": read_frequency_words,
}
"""By the name that ``rules import --from`` takes."""
