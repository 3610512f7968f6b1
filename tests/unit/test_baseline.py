"""The first-run message: counted over feeds, kept with the polls, told once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitor.pipeline.baseline import BLOB, PATIENCE, SHOWN, BaselineLog
from monitor.values import Document, Match

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def note(log: BaselineLog, title: str) -> None:
    log.would_match(Document(title, title, source="Wire"), [Match("Rule")])


def test_many_feeds_make_one_message() -> None:
    log = BaselineLog()
    note(log, "a")
    log.count("One", 10, NOW)
    note(log, "b")
    log.count("Two", 5, NOW)
    pending = log.due(NOW, feeds_waiting=0)
    assert pending is not None
    assert pending.feeds == {"One": 10, "Two": 5}
    assert [item.title for item in pending.items] == ["a", "b"]


def test_it_lists_five_and_counts_all() -> None:
    log = BaselineLog()
    for number in range(9):
        note(log, str(number))
    log.count("One", 9, NOW)
    assert log.pending is not None
    assert (len(log.pending.items), log.pending.matching) == (SHOWN, 9)


def test_it_waits_for_the_other_new_feeds_but_not_for_ever() -> None:
    log = BaselineLog()
    log.count("One", 1, NOW)
    assert log.due(NOW, feeds_waiting=1) is None
    assert log.due(NOW + PATIENCE, feeds_waiting=1) is not None


def test_a_crash_before_the_message_loses_nothing() -> None:
    log = BaselineLog()
    note(log, "a")
    log.count("One", 3, NOW)
    ((name, stored),) = log.blobs()
    assert name == BLOB
    again = BaselineLog(stored)
    again.count("Two", 4, NOW + timedelta(seconds=5))
    assert again.pending is not None
    assert log.pending is not None
    assert again.pending.id == log.pending.id
    assert again.pending.feeds == {"One": 3, "Two": 4}


def test_nothing_counted_nothing_stored() -> None:
    log = BaselineLog()
    assert log.blobs() == ()
    assert log.due(NOW, feeds_waiting=0) is None
