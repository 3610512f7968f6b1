"""Did you mean: the known word nearest to one that isn't known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean `x`?``, or an empty text when nothing is near."""
    by_fold = {name.casefold(): name for name in known}
    if len(by_fold) > 1_000 or len(word) > 100:
        return ""
    near = get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.6)
    return f"did you mean `{by_fold[near[0]]}`?" if near else ""
