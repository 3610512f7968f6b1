"""Entries that sleep until a later one may share their story."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.stories import sleepers as module
from monitor.stories.sleepers import Sleepers, text_of
from monitor.stories.weights import WINDOW
from monitor.values import Document

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def asleep(*titles: str, text: str = "") -> Sleepers:
    sleepers = Sleepers()
    for number, title in enumerate(titles, 1):
        sleepers.add(f"e{number}", title, text, NOW)
    return sleepers


@pytest.mark.parametrize(
    ("sleeping", "title", "text", "wakes"),
    [
        ("Blast at chemical plant kills nine", "Nine dead in plant explosion", "", True),
        ("Blast at chemical plant kills nine", "Toll rises", "The blast at the plant", True),
        ("Blast at chemical plant kills nine", "Plant sale agreed", "A price was named", False),
        ("Attackers storm embassy in Kabul", "Embassy attacked", "", True),
        ("The what and the when of it", "When it was what the", "", False),
        ("日本政府が地震の被害を発表", "地震の被害、日本で拡大", "", True),
        ("日本政府が地震の被害を発表", "大相撲、横綱が優勝", "", False),
        ("Обстрел Харькова: погибли трое", "Харьков: трое погибли", "", True),
    ],
)
def test_two_shared_words_wake(sleeping: str, title: str, text: str, wakes: bool) -> None:
    sleepers = asleep(sleeping)
    assert sleepers.wake(title, text) == (["e1"] if wakes else [])
    assert ("e1" in sleepers, len(sleepers)) == (not wakes, int(not wakes))
    assert sleepers.wake(title, text) == []


def test_a_short_headline_is_known_by_its_text() -> None:
    sleepers = asleep("Blackout", text="The power failed across Lisbon on Monday evening.")
    assert sleepers.wake("Lisbon without power", "") == ["e1"]


def test_those_that_wake_come_oldest_first() -> None:
    sleepers = asleep("Plant blast kills nine", "Weather", "Nine killed in blast at plant")
    assert sleepers.wake("Plant blast", "") == ["e1", "e3"]


def test_common_words_alone_wake_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMON", 2)
    sleepers = asleep(
        *(f"Minister visits city{n} of trade{n}" for n in range(5)), "Minister in Paris about fish"
    )
    assert sleepers.wake("Minister visits Rome", "") == []
    assert sleepers.wake("Minister buys fish", "") == ["e6"]


def test_the_oldest_go_when_their_stories_are_over_or_room_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sleepers = asleep("Plant blast kills nine")
    sleepers.add("e2", "Storm floods harbour town", "", NOW + timedelta(hours=1))
    sleepers.expire(NOW + WINDOW)
    assert len(sleepers) == 2
    sleepers.expire(NOW + WINDOW + timedelta(minutes=1))
    assert ("e1" in sleepers, "e2" in sleepers) == (False, True)
    monkeypatch.setattr(module, "MAX_SLEEPERS", 1)
    sleepers.add("e3", "Court frees the editor", "", NOW + timedelta(hours=2))
    assert ("e2" in sleepers, "e3" in sleepers) == (False, True)
    assert sleepers.wake("Harbour town floods", "") == []


def test_what_woke_is_not_forgotten_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SLEEPERS", 1)
    sleepers = asleep("Plant blast kills nine")
    sleepers.wake("Plant blast", "")
    sleepers.add("e2", "Storm floods harbour town", "", NOW)
    sleepers.add("e3", "Court frees the editor", "", NOW)
    assert ("e2" in sleepers, "e3" in sleepers, len(sleepers)) == (False, True, 1)


def test_the_text_is_the_summary_helped_out_by_the_content() -> None:
    assert text_of(Document("1", "T", "Short.", "Content")) == "Short.\nContent"
    assert text_of(Document("1", "T", "x" * 400, "Content")) == "x" * 400
