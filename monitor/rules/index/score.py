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
_LOGS = tuple(log(1 + count) for count in range(64))


def threshold(precision: Precision | None, min_score: float) -> float:
    """Return the score a match needs: the named one or ``min_score``, whichever is higher."""
    return max(THRESHOLDS[precision] if precision else 0.0, min_score)


class Scorer:
    """Scores the matches of one document; remembers what its groups share."""

    def __init__(self, slots: Slots, found: Mapping[int, Sequence[tuple[int, int]]]) -> None:
        self._found = found
        self._fields = slots.fields
        self._places: dict[int, float] = {}
        words = slots.fields[2][1] - len(slots.breaks)
        self._base = _CONSTANT + _LENGTH * (log(words + 20) - 4)

    def score(self, groups: Sequence[tuple[int, ...]], slots: Sequence[int]) -> float:
        """Return the score of a match whose ``groups`` of forms were all found.

        ``slots`` stand in for a rule without groups (a bare regular expression): where it was
        found.
        """
        rows: list[list[int]] = []
        total = frequency = 0.0
        latest = 1.0
        found = self._found
        for group in groups:
            place = 0.0
            row: list[int] = []
            for form in group:
                spans = found.get(form)
                if spans:
                    known = self._places.get(form)
                    if known is None:
                        known = self._places[form] = self._place(spans[0][0])
                    if known > place:
                        place = known
                    row += [span[0] for span in spans]
            total += place
            if place < latest:
                latest = place
            frequency += _LOGS[min(len(row), 63)]
            rows.append(row)
        if not rows:
            if not slots:
                return 1.0 / (1.0 + exp(-self._base))
            total = latest = max(self._place(slot) for slot in slots)
            frequency = _LOGS[min(len(slots), 63)]
            rows = [list(slots)]
        count = len(rows)
        near = 1.0 if count == 1 else self._proximity(rows)
        value = (
            self._base
            + _MEAN_PLACE * total / count
            + _LATEST_PLACE * latest
            + _PROXIMITY * near
            + _FREQUENCY * frequency / count
        )
        return round(1.0 / (1.0 + exp(-value)), 3)

    def _place(self, slot: int) -> float:
        """1 in the title, then falling with the words before it in its own field."""
        title, summary, content = self._fields
        if slot < title[1]:
            return 1.0
        start = summary[0] if slot < summary[1] else content[0]
        return float(0.5 ** ((slot - start) / _HALF_PLACE))

    def _proximity(self, rows: Sequence[Sequence[int]]) -> float:
        """Mean over neighbouring groups of how close their closest occurrences are."""
        total = 0.0
        for left, right in itertools.pairwise(rows):
            distance = min(
                (abs(a - b) for a in left[:_CLOSE_LOOK] for b in right[:_CLOSE_LOOK]), default=400
            )
            total += 0.5 ** (distance / _HALF_DISTANCE)
        return total / (len(rows) - 1)
