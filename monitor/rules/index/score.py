"""How much a document is about what its rule asks for: 0 to 1.

A logistic combination of place (how early each group of terms is met, and the latest of them),
proximity of the groups, frequency, and the document's length. Coefficients are fitted on labelled
newswire (Reuters-21578 topics × places, 111 keyword-and-country rules, 2,144 alerts; five-fold
cross validation with whole topics left out: F1 .66 against .55 without a score);
``benchmarks/quality_rules.py`` repeats the measurement.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from math import exp, log
from typing import Literal

from monitor.rules.index.document import Slots

Precision = Literal["high", "balanced", "broad"]
THRESHOLDS: Mapping[Precision, float] = {"high": 0.48, "balanced": 0.35, "broad": 0.0}
"""``high``: precision of .70 and more at a recall of over .50; ``balanced``: the best F1."""

_MEAN_PLACE = 1.2
_LATEST_PLACE = 1.6
_PROXIMITY = 0.2
_FREQUENCY = 1.9
_LENGTH = -0.55
_CONSTANT = -3.9
_HALF_PLACE = 50
"""Words after which a place weighs half."""
_HALF_DISTANCE = 12
"""Words between two groups after which their proximity weighs half."""
_CLOSE_LOOK = 8
"""Occurrences of a group looked at for proximity."""
_NEARNESS = tuple(0.5 ** (distance / _HALF_DISTANCE) for distance in range(64))
_LOGS = tuple(log(1 + count) for count in range(64))


def threshold(precision: Precision | None, min_score: float) -> float:
    """Return the score a match needs: the named one or ``min_score``, whichever is higher."""
    return max(THRESHOLDS[precision] if precision else 0.0, min_score)


class Scorer:
    """Scores the matches of one document."""

    def __init__(self, slots: Slots) -> None:
        self._fields = slots.fields
        words = slots.fields[2][1] - len(slots.breaks)
        self._base = _CONSTANT + _LENGTH * (log(words + 20) - 4)

    def score(self, places: Sequence[float], rows: Sequence[Sequence[int]]) -> float:
        """Return the score of a match, given for each of its groups the best ``place`` of what
        occurs of it, and all slots where that starts."""
        count = len(rows)
        if not count:
            return 1.0 / (1.0 + exp(-self._base))
        frequency = 0.0
        for row in rows:
            frequency += _LOGS[len(row) if len(row) < 63 else 63]
        near = 1.0 if count == 1 else _proximity(rows)
        value = (
            self._base
            + _MEAN_PLACE * sum(places) / count
            + _LATEST_PLACE * min(places)
            + _PROXIMITY * near
            + _FREQUENCY * frequency / count
        )
        return round(1.0 / (1.0 + exp(-value)), 3)

    def place(self, slot: int) -> float:
        """1 in the title, then falling with the words before it in its own field."""
        title, summary, content = self._fields
        if slot < title[1]:
            return 1.0
        start = summary[0] if slot < summary[1] else content[0]
        return float(0.5 ** ((slot - start) / _HALF_PLACE))


def _proximity(rows: Sequence[Sequence[int]]) -> float:
    """Mean over neighbouring groups of how close their closest occurrences are."""
    total = 0.0
    for left, right in itertools.pairwise(rows):
        if len(left) == len(right) == 1:
            distance = abs(left[0] - right[0])
        else:
            near = [abs(a - b) for a in left[:_CLOSE_LOOK] for b in right[:_CLOSE_LOOK]]
            distance = min(near, default=400)
        total += _NEARNESS[distance] if distance < 64 else 0.5 ** (distance / _HALF_DISTANCE)
    return total / (len(rows) - 1)
