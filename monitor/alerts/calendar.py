"""Times of day that people live by: windows and schedules in a time zone. Pure.

A window is what the clock on the wall says: 22:00 to 06:30 holds exactly while the wall shows a
time between them, so on the night an hour is repeated it holds for both. A schedule fires once for
each of its times: at the first of two equal ones, and where the clock skips it, at the moment of
the skip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from monitor.config.hours import Schedule, Window

DAY = timedelta(days=1)
# How far ahead a change is looked for: past the longest sensible list of exceptions, a year of
# closed days.
HORIZON = 400


@dataclass(frozen=True)
class Calendar:
    """Windows in a zone, less the dates on which none starts."""

    zone: ZoneInfo
    windows: tuple[Window, ...]
    skipped: frozenset[date] = frozenset()

    def covers(self, moment: datetime) -> bool:
        """Tell whether ``moment`` (aware) lies in one of the windows."""
        local = moment.astimezone(self.zone)
        return any(self._holds(window, local.date(), local.time()) for window in self.windows)

    def _holds(self, window: Window, day: date, clock: time) -> bool:
        if window.start < window.end:
            return self._starts(window, day) and window.start <= clock < window.end
        if clock >= window.start and self._starts(window, day):
            return True
        return clock < window.end and self._starts(window, day - DAY)

    def _starts(self, window: Window, day: date) -> bool:
        return day.weekday() in window.days and day not in self.skipped

    def next_covered(self, moment: datetime) -> datetime | None:
        """Return the earliest moment from ``moment`` on that is covered; None within a year."""
        return self._next(moment, covered=True)

    def next_free(self, moment: datetime) -> datetime | None:
        """Return the earliest moment from ``moment`` on that is not covered; None within a year."""
        return self._next(moment, covered=False)

    def _next(self, moment: datetime, *, covered: bool) -> datetime | None:
        if self.covers(moment) is covered:
            return moment
        if not self.windows:
            return None
        for change in self._changes(moment):
            if self.covers(change) is covered:
                return change
        return None

    @cached_property
    def _clocks(self) -> tuple[time, ...]:
        """The times of day at which anything can change (midnight: the weekday does)."""
        return tuple({time(0)} | {clock for w in self.windows for clock in (w.start, w.end)})

    def _changes(self, moment: datetime) -> Iterator[datetime]:
        """Yield, in order, every moment after ``moment`` at which coverage can change."""
        first = moment.astimezone(self.zone).date()
        for ahead in range(-1, HORIZON):
            day = first + ahead * DAY
            found = {
                datetime.combine(day, clock.replace(fold=fold), self.zone).astimezone(UTC)
                for clock in self._clocks
                for fold in (0, 1)
            }
            found.update(_shift(day, self.zone))
            yield from sorted(each for each in found if each > moment)


def next_time(
    schedule: Schedule, zone: ZoneInfo, after: datetime, skipped: frozenset[date] = frozenset()
) -> datetime | None:
    """Return when ``schedule`` fires next, strictly after ``after``; None when it never does."""
    day = after.astimezone(zone).date() - DAY
    for _ in range(HORIZON):
        times = _times(schedule, zone, day, skipped)
        found = next((each for each in times if each > after), None)
        if found is not None:
            return found
        day += DAY
    return None


def last_time(
    schedule: Schedule, zone: ZoneInfo, until: datetime, skipped: frozenset[date] = frozenset()
) -> datetime | None:
    """Return when ``schedule`` fired last, at or before ``until``; None when it never did."""
    day = until.astimezone(zone).date() + DAY
    for _ in range(HORIZON):
        times = _times(schedule, zone, day, skipped)
        found = next((each for each in reversed(times) if each <= until), None)
        if found is not None:
            return found
        day -= DAY
    return None


def _times(
    schedule: Schedule, zone: ZoneInfo, day: date, skipped: frozenset[date]
) -> Sequence[datetime]:
    if day.weekday() not in schedule.days or day in skipped:
        return ()
    return sorted({moment_of(day, clock, zone) for clock in schedule.times})


def moment_of(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return the first moment (UTC) at which the wall shows ``clock`` or later on ``day``."""
    wall = datetime.combine(day, clock.replace(fold=0), zone)
    moment = wall.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return moment
    # The clock skips this time: `moment` is read with the offset before the skip, `late` after.
    late = wall.replace(fold=1).astimezone(UTC)
    return _change_between(late - timedelta(seconds=1), moment, zone)


def _shift(day: date, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return the moment on ``day`` at which the zone's offset changes, if there is one."""
    start = datetime.combine(day, time(0), zone).astimezone(UTC)
    end = datetime.combine(day + DAY, time(0), zone).astimezone(UTC)
    if _offset(start, zone) == _offset(end, zone):
        return ()
    return (_change_between(start, end, zone),)


def _change_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second after ``low``, up to ``high``, that has the offset of ``high``."""
    target = _offset(high, zone)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=1) // 2)
        if _offset(middle, zone) == target:
            high = middle
        else:
            low = middle
    return high


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
