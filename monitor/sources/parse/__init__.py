"""Bytes → entries: RSS, RDF, Atom and JSON Feed, well-formed or not.

``parse`` is the pure function; ``ParsePool`` runs it in processes that can be killed.
Knows nothing of fetching, and nothing of what is new.
"""

from monitor.sources.parse.pool import ParsePool
from monitor.sources.parse.read import parse

__all__ = ["ParsePool", "parse"]
