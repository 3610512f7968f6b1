"""Charts as geometry, which ``templates/charts.html`` writes as SVG with a table beside it.

A chart says what it shows, with its unit; who can't see it gets the same as words and as a table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

WIDTH, HEIGHT = 720, 180  # of the view box; the page scales it
LEFT, RIGHT, TOP, FOOT = 46, 8, 10, 22  # around the columns
LABELS = 10  # along the foot, at most
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Row:
    """One column of a chart: its label and a value for each series, None where nothing is known."""

    label: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of series ``series`` (from 0), with what is said when it is pointed at."""

    x: float
    y: float
    width: float
    height: float
    series: int
    says: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template needs; ``ident`` joins the drawing with its title and description."""

    ident: str
    title: str
    unit: str
    description: str
    series: tuple[str, ...]
    boxes: tuple[Box, ...]
    grid: tuple[tuple[float, str], ...]
    labels: tuple[tuple[float, str], ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    width: int = WIDTH
    height: int = HEIGHT


def columns(
    title: str,
    unit: str,
    series: Sequence[str],
    rows: Sequence[Row],
    *,
    share: bool = False,
) -> Chart:
    """Return a chart of stacked columns.

    Args:
        title: what it shows ("Stories a day").
        unit: what the numbers count ("stories").
        series: the names of what is stacked, from the foot up.
        rows: the columns, from left to right.
        share: the values are shares (0-1) of a whole, and the axis ends at 100 %.
    """
    totals = [sum(value or 0 for value in row.values) for row in rows]
    top = 1.0 if share else _ceiling(max(totals, default=0))
    step = (WIDTH - LEFT - RIGHT) / max(len(rows), 1)
    tall = HEIGHT - TOP - FOOT
    boxes = []
    for number, row in enumerate(rows):
        foot = 0.0
        for which, value in enumerate(row.values):
            if not value:
                continue
            height = tall * value / top
            foot += height
            said = f"{_said(value, share)} {'' if share else unit}".rstrip()
            name = f" {series[which]}" if len(series) > 1 else ""
            boxes.append(
                Box(
                    round(LEFT + number * step + step * 0.12, 1),
                    round(TOP + tall - foot, 1),
                    round(step * 0.76, 1),
                    round(height, 1),
                    which,
                    f"{row.label}: {said}{name}",
                )
            )
    return Chart(
        f"chart{next(_numbers)}",
        title,
        unit,
        _description(unit, rows, totals, share),
        tuple(series),
        tuple(boxes),
        tuple(
            (round(TOP + tall * (1 - part), 1), _said(top * part, share)) for part in (0, 0.5, 1)
        ),
        _labels(rows, step),
        tuple((row.label, tuple(_cell(v, share) for v in row.values)) for row in rows),
    )


@dataclass(frozen=True, slots=True)
class Spark:
    """A very small chart: heights in percent of its own, and what it says in words."""

    heights: tuple[float, ...]
    says: str


def spark(values: Sequence[float], says: str) -> Spark:
    """Return ``values`` as heights between 0 and 16."""
    top = max(values, default=0) or 1
    return Spark(tuple(round(16 * value / top, 1) for value in values), says)


def _ceiling(most: float) -> float:
    """Return the end of the axis: 1, 2 or 5 times a power of ten, and even for a middle line."""
    if most <= 2:
        return 2.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(power * each for each in (1, 2, 4, 6, 8, 10) if power * each >= most)


def _labels(rows: Sequence[Row], step: float) -> tuple[tuple[float, str], ...]:
    each = max(1, -(-len(rows) // LABELS))
    return tuple(
        (round(LEFT + number * step + step / 2, 1), row.label)
        for number, row in enumerate(rows)
        if number % each == 0
    )


def _description(unit: str, rows: Sequence[Row], totals: Sequence[float], share: bool) -> str:
    if not rows:
        return "Nothing yet."
    span = f"{rows[0].label} to {rows[-1].label}."
    if share:
        known = [row for row in rows if any(value is not None for value in row.values)]
        if not known:
            return f"{span} Nothing is known yet."
        last = known[-1]
        return f"{span} Last known: {_said(last.values[0] or 0, share)} ({last.label})."
    most = max(range(len(rows)), key=lambda number: totals[number])
    return (
        f"{span} {_said(sum(totals), share)} {unit} in all; "
        f"most on {rows[most].label}: {_said(totals[most], share)}."
    )


def _cell(value: float | None, share: bool) -> str:
    return "—" if value is None else _said(value, share)


def _said(value: float, share: bool) -> str:
    if share:
        return f"{value:.0%}"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
