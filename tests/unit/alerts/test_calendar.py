"""Windows and schedules, against a plain oracle that looks at every minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.alerts.calendar import Calendar, last_time, moment_of, next_time
from monitor.config.hours import Hours, Schedule, Window

MINUTE = timedelta(minutes=1)
PARIS = ZoneInfo("Europe/Paris")

# Zones whose clocks do something worth a test, with days around it. Lord Howe shifts by half an
# hour, Cairo at midnight (so that 00:00 doesn't exist), Apia skipped a day, Nepal is at +5:45.
NIGHTS = [
    ("Europe/Paris", date(2026, 3, 29)),
    ("Europe/Paris", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Africa/Cairo", date(2026, 4, 24)),
    ("Africa/Cairo", date(2026, 10, 30)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Asia/Kathmandu", date(2026, 6, 1)),
    ("UTC", date(2028, 2, 29)),
    ("Europe/Paris", date(2028, 2, 28)),
    ("Asia/Tokyo", date(2026, 12, 31)),
]


def minutes(start: datetime, hours: int) -> Iterator[datetime]:
    return (start + number * MINUTE for number in range(hours * 60))


def shown(window: Window, moment: datetime, zone: ZoneInfo, skipped: frozenset[date]) -> bool:
    """The oracle: walk back minute by minute on the wall until the window's start or its end."""
    wall = moment.astimezone(zone).replace(tzinfo=None)
    for _ in range(24 * 60):
        if wall.time() == window.start:
            return wall.weekday() in window.days and wall.date() not in skipped
        wall -= MINUTE
        if wall.time() == _before(window.end):
            return False
    return False


def _before(clock: time) -> time:
    return (datetime.combine(date(2000, 1, 2), clock) - MINUTE).time()


clocks = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 45, 59]))
days = st.frozensets(st.integers(0, 6), min_size=1)
windows = st.builds(Window, days, clocks, clocks)
nights = st.sampled_from(NIGHTS)


@settings(max_examples=40, deadline=None)
@given(nights, windows, st.booleans(), st.integers(-30, 20))
def test_a_window_holds_when_the_wall_says_so(
    night: tuple[str, date], window: Window, skip: bool, offset: int
) -> None:
    zone = ZoneInfo(night[0])
    skipped = frozenset({night[1]}) if skip else frozenset()
    calendar = Calendar(zone, (window,), skipped)
    start = datetime.combine(night[1], time(0), UTC) + timedelta(hours=offset)
    for moment in minutes(start, 8):
        assert calendar.covers(moment) is shown(window, moment, zone, skipped), moment


@settings(max_examples=40, deadline=None)
@given(nights, st.lists(windows, min_size=1, max_size=2), st.integers(-40, 20), st.booleans())
def test_the_next_change_is_the_first_minute_that_differs(
    night: tuple[str, date], given_windows: list[Window], offset: int, skip: bool
) -> None:
    zone = ZoneInfo(night[0])
    skipped = frozenset({night[1]}) if skip else frozenset()
    calendar = Calendar(zone, tuple(given_windows), skipped)
    start = datetime.combine(night[1], time(0), UTC) + timedelta(hours=offset)
    within = list(minutes(start, 48))
    for found, covered in (
        (calendar.next_covered(start), True),
        (calendar.next_free(start), False),
    ):
        expected = next((each for each in within if calendar.covers(each) is covered), None)
        if expected is None:
            assert found is None or found > within[-1]
        else:
            assert found == expected


schedules = st.builds(
    lambda given_days, clock: _schedule(given_days, clock),
    days,
    st.lists(clocks, min_size=1, max_size=4, unique=True),
)


def _schedule(given_days: frozenset[int], given_clocks: list[time]) -> Schedule:
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return Schedule.parse(
        ",".join(names[day] for day in sorted(given_days))
        + " "
        + ", ".join(clock.strftime("%H:%M") for clock in sorted(given_clocks))
    )


def fired(schedule: Schedule, zone: ZoneInfo, start: datetime, hours: int) -> list[datetime]:
    """The oracle: each time of each day fires once, when the wall first shows it or a later
    time of that day, or the day is over without having shown one."""
    waiting = {
        datetime.combine(start.date() + timedelta(days=ahead), clock)
        for ahead in range(-4, hours // 24 + 4)
        for clock in schedule.times
        if (start.date() + timedelta(days=ahead)).weekday() in schedule.days
    }
    wall = (start - MINUTE).astimezone(zone).replace(tzinfo=None)
    # What the wall has shown before the walk (the repeated hour shows a time twice).
    before = max(
        moment.astimezone(zone).replace(tzinfo=None)
        for moment in minutes(start - timedelta(hours=4), 4)
    )
    waiting = {each for each in waiting if each > max(wall, before)}
    out = []
    for moment in minutes(start, hours):
        wall = moment.astimezone(zone).replace(tzinfo=None)
        if due := {each for each in waiting if each <= wall}:
            waiting -= due
            out.append(moment)
    return out


@settings(max_examples=40, deadline=None)
@given(nights, schedules, st.integers(-30, 10))
@example(("Europe/Paris", date(2026, 3, 29)), Schedule.parse("daily 02:30"), -4)
@example(("Europe/Paris", date(2026, 10, 25)), Schedule.parse("daily 02:30"), -4)
def test_a_schedule_fires_once_for_each_of_its_times(
    night: tuple[str, date], schedule: Schedule, offset: int
) -> None:
    zone = ZoneInfo(night[0])
    start = datetime.combine(night[1], time(0), UTC) + timedelta(hours=offset)
    expected = fired(schedule, zone, start, 48)
    found = []
    moment = start - timedelta(seconds=1)
    while (following := next_time(schedule, zone, moment)) is not None:
        if following >= start + timedelta(hours=48):
            break
        assert last_time(schedule, zone, following) == following
        found.append(following)
        moment = following
    assert found == expected


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        (date(2026, 3, 29), "02:30", "2026-03-29T01:00"),  # skipped: at the skip
        (date(2026, 3, 29), "03:00", "2026-03-29T01:00"),
        (date(2026, 10, 25), "02:30", "2026-10-25T00:30"),  # twice: the first
        (date(2026, 10, 25), "03:00", "2026-10-25T02:00"),
        (date(2028, 2, 29), "08:00", "2028-02-29T07:00"),
    ],
)
def test_moment_of(day: date, clock: str, expected: str) -> None:
    found = moment_of(day, time.fromisoformat(clock), PARIS)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_exceptions_and_what_never_comes() -> None:
    christmas = frozenset({date(2026, 12, 25)})
    eight = Schedule.parse("daily 08:00")
    eve = datetime(2026, 12, 24, 12, tzinfo=UTC)
    assert next_time(eight, PARIS, eve, christmas) == datetime(2026, 12, 26, 7, tzinfo=UTC)
    always = Calendar(PARIS, Hours.parse("daily 00:00-24:00").windows)
    assert always.next_free(eve) is None
    assert Calendar(PARIS, ()).next_covered(eve) is None
    assert Calendar(PARIS, ()).next_free(eve) == eve
    office = Calendar(PARIS, Hours.parse("mon-fri 09:00-18:00").windows, christmas)
    # The 25th is a Friday: nothing before Monday.
    assert office.next_covered(datetime(2026, 12, 24, 18, tzinfo=UTC)) == datetime(
        2026, 12, 28, 8, tzinfo=UTC
    )


def test_a_night_that_starts_before_an_exception_runs_into_it() -> None:
    quiet = Calendar(PARIS, Hours.parse("daily 22:00-06:00").windows, frozenset({date(2026, 6, 2)}))
    assert quiet.covers(datetime(2026, 6, 2, 2, tzinfo=UTC))  # the night of the 1st
    assert not quiet.covers(datetime(2026, 6, 2, 21, tzinfo=UTC))  # the 2nd itself
    assert not quiet.covers(datetime(2026, 6, 3, 2, tzinfo=UTC))
