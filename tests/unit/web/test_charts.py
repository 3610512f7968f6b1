"""Charts say in words and in a table what they draw, and draw it to scale."""

from __future__ import annotations

import pytest

from monitor.web.charts import FOOT, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Row, columns, spark

ROWS = [Row("1 Nov", (3, 1)), Row("2 Nov", (0, 0)), Row("3 Nov", (2, None))]


def test_columns_are_stacked_to_scale() -> None:
    chart = columns("Stories a day", "stories", ["new", "copies"], ROWS)
    tall = HEIGHT - TOP - FOOT
    assert [(box.series, round(box.height / tall, 3)) for box in chart.boxes] == [
        (0, 0.75), (1, 0.25), (0, 0.5),
    ]  # fmt: skip
    lower, upper, _ = chart.boxes
    assert upper.y + upper.height == pytest.approx(lower.y, abs=0.11)
    assert lower.y + lower.height == pytest.approx(TOP + tall, abs=0.11)
    assert lower.says == "1 Nov: 3 stories new"
    assert all(box.x >= LEFT and box.x + box.width <= WIDTH - RIGHT for box in chart.boxes)
    assert [label for _, label in chart.grid] == ["0", "2", "4"]


def test_what_is_drawn_is_said() -> None:
    chart = columns("Stories a day", "stories", ["new", "copies"], ROWS)
    assert chart.description == "1 Nov to 3 Nov. 6 stories in all; most on 1 Nov: 4."
    assert chart.rows == (("1 Nov", ("3", "1")), ("2 Nov", ("0", "0")), ("3 Nov", ("2", "—")))
    assert chart.ident != columns("Again", "stories", ["new"], []).ident


def test_shares_end_at_a_hundred_percent() -> None:
    rows = [Row("1 Nov", (0.5,)), Row("8 Nov", (None,))]
    chart = columns("Precision", "", ["precision"], rows, share=True)
    assert [label for _, label in chart.grid] == ["0%", "50%", "100%"]
    assert chart.description == "1 Nov to 8 Nov. Last known: 50% (1 Nov)."
    assert chart.boxes[0].says == "1 Nov: 50%"
    nothing = columns("Precision", "", ["precision"], [Row("1 Nov", (None,))], share=True)
    assert nothing.description == "1 Nov to 1 Nov. Nothing is known yet."
    assert columns("Empty", "stories", ["new"], []).description == "Nothing yet."


@pytest.mark.parametrize(
    ("most", "top"),
    [(0, 2), (1, 2), (2, 2), (3, 4), (5, 6), (7, 8), (9, 10), (10, 10), (11, 20), (4_321, 6_000)],
)
def test_the_axis_ends_at_a_round_number(most: int, top: int) -> None:
    chart = columns("T", "stories", ["new"], [Row("1 Nov", (most,))])
    assert chart.grid[-1][1] == f"{top:,}"


def test_labels_are_thinned_out() -> None:
    rows = [Row(f"{day} Nov", (day,)) for day in range(1, 31)]
    chart = columns("T", "stories", ["new"], rows)
    assert [label for _, label in chart.labels][:2] == ["1 Nov", "4 Nov"]
    assert len(chart.labels) == 10


def test_a_spark_fits_its_height() -> None:
    assert spark([0, 2, 4], "so").heights == (0, 8, 16)
    assert spark([0, 0], "so").heights == (0, 0)
    assert spark([], "so").heights == ()
