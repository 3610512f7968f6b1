"""What ops is told of feeds: failing, silent, well again, and an outage of all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from monitor.alerts.feedwatch import FeedWatch, Watched, look
from monitor.store.port import FeedState
from monitor.values import Alert, Feed
from tests.unit.alerts.build import NOW

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def feed(number: int = 1, alarm: timedelta | None = None, per_day: float = 0.0) -> Watched:
    key = f"https://example.org/{number}"
    return Watched(
        Feed(key, key, f"Feed {number}", alarm_if_silent=alarm),
        FeedState(
            number,
            key,
            NOW,
            NOW,
            baselined_at=NOW,
            last_ok_at=NOW + 365 * DAY,
            last_status="ok: 3 entries",
        ),
        per_day,
    )


def fails(each: Watched, times: int = 3, since: timedelta = timedelta(0)) -> Watched:
    extra = {"failing_since": (NOW + since).isoformat()}
    state = replace(each.state, failures=times, extra=extra, last_status="HTTP 500")
    return replace(each, state=state)


def brings(each: Watched, after: timedelta) -> Watched:
    return replace(each, state=replace(each.state, last_new_at=NOW + after))


def titles(alerts: list[Alert]) -> list[tuple[str, int]]:
    return [(alert.title, alert.revision) for alert in alerts]


def test_failing_then_well_again_is_one_message() -> None:
    watch = FeedWatch()
    broken = fails(feed())
    assert look(watch, [broken], "ops", NOW + HOUR / 2) == []  # not for long enough yet
    assert look(watch, [fails(feed(), times=2)], "ops", NOW + 2 * HOUR) == []
    (first,) = look(watch, [broken], "ops", NOW + HOUR)
    assert (first.title, first.revision, first.kind) == ("Feed Feed 1 fails", 0, "ops")
    assert first.totals == (("Feed 1", "HTTP 500, since 2026-03-02 12:00 UTC"),)
    assert look(watch, [broken], "ops", NOW + 2 * HOUR) == []
    (edit,) = look(watch, [feed()], "ops", NOW + 3 * HOUR)
    assert (edit.story_id, edit.revision) == (first.story_id, 1)
    assert edit.title == "Feed Feed 1 works again"
    assert look(watch, [feed()], "ops", NOW + 4 * HOUR) == []


def test_a_feed_that_fails_again_takes_up_its_message() -> None:
    watch = FeedWatch()
    look(watch, [fails(feed())], "ops", NOW + HOUR)
    look(watch, [feed()], "ops", NOW + 2 * HOUR)
    again = look(watch, [fails(feed(), since=2 * HOUR)], "ops", NOW + 3 * HOUR)
    assert titles(again) == [("Feed Feed 1 fails", 2)]
    look(watch, [feed()], "ops", NOW + 4 * HOUR)
    look(watch, [feed()], "ops", NOW + 2 * DAY)
    later = look(watch, [fails(feed(), since=2 * DAY)], "ops", NOW + 3 * DAY)
    assert titles(later) == [("Feed Feed 1 fails", 0)]


def test_what_begins_together_is_one_message() -> None:
    watch = FeedWatch()
    well = [feed(number) for number in range(10, 30)]
    two = [fails(feed(1)), fails(feed(2))]
    assert titles(look(watch, [*two, *well], "ops", NOW + HOUR)) == [("2 feeds fail", 0)]
    half = look(watch, [two[0], feed(2), *well], "ops", NOW + 2 * HOUR)
    assert titles(half) == [("1 of 2 feeds fail", 1)]
    # One more soon after waits a little: ops is no ticker.
    third = fails(feed(3), since=HOUR)
    later = [two[0], feed(2), third, *well]
    assert titles(look(watch, later, "ops", NOW + 2 * HOUR)) == [("Feed Feed 3 fails", 0)]
    fourth = [*later, fails(feed(4), since=HOUR)]
    assert look(watch, fourth, "ops", NOW + 2 * HOUR + timedelta(minutes=5)) == []
    assert titles(look(watch, fourth, "ops", NOW + 2 * HOUR + timedelta(minutes=10))) == [
        ("Feed Feed 4 fails", 0)
    ]


def test_an_outage_is_one_message_however_many_feeds() -> None:
    watch = FeedWatch()
    down = [fails(feed(number), times=2) for number in range(1000)]
    assert titles(look(watch, down, "ops", NOW)) == [("Most feeds fail (1000)", 0)]
    down = [fails(feed(number), times=9) for number in range(1000)]
    assert look(watch, down, "ops", NOW + 2 * HOUR) == []
    well = [feed(number) for number in range(1000)]
    (over,) = look(watch, well, "ops", NOW + 3 * HOUR)
    assert (over.title, over.revision) == ("The feeds answer again (from 12:00 to 15:00 UTC)", 1)
    assert look(watch, well, "ops", NOW + 4 * HOUR) == []


def test_a_silent_feed_by_its_own_alarm_and_by_its_habit() -> None:
    watch = FeedWatch()
    own = feed(1, alarm=2 * HOUR)
    assert look(watch, [own], "ops", NOW + HOUR) == []
    (alarm,) = look(watch, [own], "ops", NOW + 2 * HOUR)
    assert alarm.title == "Feed Feed 1 is silent"
    assert alarm.totals[0][1].startswith("nothing new for 2 h (alarm after 2 h)")
    (over,) = look(watch, [brings(own, 3 * HOUR)], "ops", NOW + 3 * HOUR)
    assert (over.title, over.revision) == ("Feed Feed 1 works again", 1)

    habit = FeedWatch()
    busy, slow, unknown = feed(1, per_day=24.0), feed(2, per_day=0.5), feed(3)
    feeds = [busy, slow, unknown]
    assert look(habit, feeds, "ops", NOW + 2 * DAY - HOUR) == []  # a weekend
    assert titles(look(habit, feeds, "ops", NOW + 2 * DAY)) == [("Feed Feed 1 is silent", 0)]
    assert titles(look(habit, feeds, "ops", NOW + 24 * DAY)) == [("Feed Feed 2 is silent", 0)]


def test_a_feed_was_not_silent_while_we_were_down() -> None:
    own = feed(1, alarm=2 * HOUR)
    down = replace(own, state=replace(own.state, last_ok_at=NOW + HOUR))
    assert look(FeedWatch(), [down], "ops", NOW + 5 * DAY) == []


def test_a_feed_that_fails_is_not_silent_too() -> None:
    watch = FeedWatch()
    broken = fails(feed(1, alarm=HOUR))
    assert [alert.title for alert in look(watch, [broken], "ops", NOW + 5 * HOUR)] == [
        "Feed Feed 1 fails"
    ]


def test_a_feed_taken_out_of_the_configuration_closes_its_message() -> None:
    watch = FeedWatch()
    look(watch, [fails(feed(1)), feed(2)], "ops", NOW + HOUR)
    (edit,) = look(watch, [feed(2)], "ops", NOW + 2 * HOUR)
    assert edit.revision == 1


def test_a_feed_that_is_gone_is_told_at_once() -> None:
    gone = replace(feed(), state=replace(feed().state, disabled_reason="gone (HTTP 410)"))
    (alert,) = look(FeedWatch(), [gone], "ops", NOW)
    assert alert.totals[0][1].startswith("gone (HTTP 410)")
