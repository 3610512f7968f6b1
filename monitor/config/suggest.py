"""Did you mean: the known word nearest to one that isn't known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_CUTOFF = 0.6  # difflib's own: below it words have little in common
_LOOKED_AT = 8  # words that difflib finds close, of which the one with the fewest slips is taken


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean `x`?``, or an empty text when nothing is near."""
    near = closest(word, known)
    return f"did you mean `{near}`?" if near else ""


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of ``known`` that ``word`` is most likely meant to be; None when none is
    near, or there are too many to look through."""
    by_fold = {name.casefold(): name for name in known}
    if len(by_fold) > 1_000 or len(word) > 100:
        return None
    folded = word.casefold()
    near = get_close_matches(folded, by_fold, n=_LOOKED_AT, cutoff=_CUTOFF)
    # difflib counts common letters, and would take Iraq for Sirya; people swap neighbours.
    return by_fold[min(near, key=lambda each: _slips(folded, each))] if near else None


def _slips(left: str, right: str) -> int:
    """Return how many letters must be put in, left out, replaced or swapped with their neighbour
    (optimal string alignment distance)."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, char in enumerate(left, 1):
        earlier, before, row = before, row, [i]
        for j, other in enumerate(right, 1):
            cost = min(row[j - 1] + 1, before[j] + 1, before[j - 1] + (char != other))
            if i > 1 and j > 1 and char == right[j - 2] and left[i - 2] == other:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
