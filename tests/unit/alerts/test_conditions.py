"""Rules that wait for their story to grow."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from monitor.alerts.conditions import story_holds, waiting_words
from monitor.alerts.desk import Desk
from monitor.alerts.plan import plan
from monitor.alerts.route import Router
from monitor.codec import alert_from_json
from monitor.config.models import WhenStory
from monitor.values import Document, Story, StoryDecision
from tests.unit.alerts.build import NOW, matched, settings

HOUR = timedelta(hours=1)


def story(*sources: str, first: timedelta = timedelta(0), entries: int = 0) -> Story:
    return Story("s", "T", NOW - first, NOW, sources, entries or len(sources))


@pytest.mark.parametrize(
    ("when", "given", "source", "expected"),
    [
        ({"sources": 2}, story("A"), "A", False),
        ({"sources": 2}, story("A", "B"), "B", True),
        # Reprints of one text are no sources of their own.
        ({"sources": 2}, story("A", entries=5), "A", False),
        ({"sources": 3, "or_source": ["Reuters"]}, story("Reuters"), "Reuters", True),
        ({"sources": 3, "or_source": ["Reuters"]}, story("A", "Reuters World"), "A", True),
        ({"sources": 3, "or_source": ["AP"]}, story("Apple Daily"), "Apple Daily", False),
        # A reprint by one of the named sources counts, though it is no independent one.
        ({"sources": 3, "or_source": ["AFP"]}, story("A", entries=2), "AFP", True),
        # Only named sources were asked for.
        ({"or_source": ["Reuters"]}, story("A", "B", "C"), "C", False),
        ({"sources": 2, "within": HOUR}, story("A", "B", first=HOUR / 2), "B", True),
        # The first source is too old to count with the second.
        ({"sources": 2, "within": HOUR}, story("A", "B", first=3 * HOUR), "B", False),
    ],
)
def test_story_holds(when: dict[str, Any], given: Story, source: str, expected: bool) -> None:
    assert story_holds(WhenStory(**when), given, source, NOW) is expected


def test_times_of_sources_count_where_they_are_known() -> None:
    when = WhenStory(sources=2, within=HOUR)
    late = story("A", "B", "C", first=3 * HOUR)
    times = {"A": NOW - 3 * HOUR, "B": NOW - HOUR / 2, "C": NOW}
    assert story_holds(when, late, "C", NOW, times)
    times["B"] = NOW - 2 * HOUR
    assert not story_holds(when, late, "C", NOW, times)


def test_what_is_waited_for_is_said() -> None:
    when = WhenStory(sources=3, or_source=["Reuters", "AFP"])
    assert waiting_words(when, story("A"), "A", NOW) == (
        "waits for 3 independent sources, 1 so far, or for Reuters or AFP"
    )


GIVEN = settings(rules={"Big": {"when_story": WhenStory(sources=3)}, "Any": {}})


def test_a_rule_waits_and_then_alerts() -> None:
    sources = ("A", "B", "C")
    desk, kinds = Desk(), []
    for count in (1, 2, 3):
        entry = matched("Big", sources=sources[:count], entries=count)
        made = desk.plan(entry, (), Router(GIVEN), GIVEN, NOW)
        kinds.append([row.kind for row in made.rows])
    assert kinds == [[], [], ["alert"]]
    assert desk.memory.waiting == {}


def test_another_rule_does_not_wait_with_it() -> None:
    made = plan(matched("Big", "Any"), (), Router(GIVEN), GIVEN, NOW)
    (row,) = made.rows
    assert alert_from_json(row.payload).rules == ("Any",)
    assert made.waiting == ("Big",)
    assert "waits for 3 independent sources" in made.outcome


def joins(number: int, source: str, sources: tuple[str, ...]) -> tuple[StoryDecision, Document]:
    grown = Story("story-1", "T", NOW, NOW, sources, number)
    return StoryDecision(grown, "duplicate", "same event"), Document(
        f"e{number}", "T", source=source
    )


def test_reports_that_do_not_match_count_for_the_story() -> None:
    desk, router = Desk(), Router(GIVEN)
    first = desk.plan(matched("Big", sources=("A",)), (), router, GIVEN, NOW)
    assert first.rows == ()
    grown = desk.joined(*joins(2, "B", ("A", "B")), NOW + HOUR)
    assert grown is not None
    assert desk.plan(grown, (), router, GIVEN, NOW + HOUR).rows == ()
    grown = desk.joined(*joins(3, "C", ("A", "B", "C")), NOW + 2 * HOUR)
    assert grown is not None
    (row,) = desk.plan(grown, (), router, GIVEN, NOW + 2 * HOUR).rows
    alert = alert_from_json(row.payload)
    # The words are those of the report that matched, the sources the story's.
    assert (alert.title, alert.sources) == ("Arms deal with Syria", ("A", "B", "C"))
    assert desk.joined(*joins(4, "D", ("A", "B", "C", "D")), NOW + 3 * HOUR) is None


def test_a_rule_that_is_gone_alerts_no_more() -> None:
    desk, gone = Desk(), settings(rules={"Any": {}})
    desk.plan(matched("Big", sources=("A",)), (), Router(GIVEN), GIVEN, NOW)
    grown = desk.joined(*joins(3, "C", ("A", "B", "C")), NOW)
    assert grown is not None
    assert desk.plan(grown, (), Router(gone), gone, NOW).rows == ()
    assert desk.joined(*joins(4, "D", ("A", "B", "C", "D")), NOW) is None


def test_stories_nobody_waits_for_cost_nothing() -> None:
    desk = Desk()
    assert desk.joined(*joins(2, "B", ("A", "B")), NOW) is None
    assert desk.blobs() == ()
