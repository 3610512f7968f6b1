"""Ids sort by the time they were made, and within one instant by their order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitor.ids import new_id

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def test_of_one_instant_the_later_is_the_greater() -> None:
    made = [new_id(NOW) for _ in range(2000)]
    assert made == sorted(set(made))


def test_time_goes_first() -> None:
    later, earlier = new_id(NOW + timedelta(milliseconds=1)), new_id(NOW)
    assert earlier < later
    assert len(earlier) == len(later) == 26
