"""The query string: grammar, meaning, errors with a caret, and other vendors' spellings."""

from __future__ import annotations

from monitor.rules.language.faults import excerpt
from monitor.rules.language.parse import parse_query

__all__ = ["excerpt", "parse_query"]
