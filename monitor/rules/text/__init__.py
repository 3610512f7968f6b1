"""Text as rules see it: plain text, tokens, folding. The same for rules and for stories."""

from __future__ import annotations

from monitor.rules.text.fold import analyse
from monitor.rules.text.plain import plain, to_plain
from monitor.rules.text.scan import surfaces

__all__ = ["plain", "search_tokens", "to_plain"]


def search_tokens(text: str) -> list[str]:
    """Return the normalised tokens of ``text`` for the store's full-text index.

    Main folded spellings in order, hyphenated words in parts ("cease-fire" gives two).
    """
    return [part.folds[0] for surface in surfaces(text) for part in analyse(surface).parts]
