"""Named things: the bundled gazetteer of countries and the user's own entities."""

from __future__ import annotations

from monitor.rules.entities.gazetteer import Country, Gazetteer, bundled
from monitor.rules.entities.lookup import Lookup

__all__ = ["Country", "Gazetteer", "Lookup", "bundled"]
