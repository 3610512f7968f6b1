"""The query string: grammar, meaning, errors with a caret, and other vendors' spellings."""

from __future__ import annotations

from monitor.rules.language.parse import excerpt, parse_query

__all__ = ["excerpt", "parse_query"]
