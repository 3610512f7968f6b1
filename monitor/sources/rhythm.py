"""A feed's rhythm: how many entries a day it brings, at which hours, and how long to wait for more.

Pure functions over a small frozen value that is kept as a text in the feed's state.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import mul

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SPAN = 7.0  # days over which counts fade: a week holds both workdays and a weekend
PRIOR_RATE = 5.0  # entries a day, the median of the feed lists looked at
PRIOR_DAYS = 0.1  # weight of that prior: half an entry
HOURS_WEIGHT = 48.0  # entries that an even day counts as, against the hours observed
_KERNEL = tuple(weight / 16 for weight in (1, 2, 3, 4, 3, 2, 1))  # hours around each hour
EVEN = (1.0,) * 24
# The default pace: a feed of PRIOR_RATE entries a day is asked every half hour.
DEFAULT_PACE = 30.0 * math.sqrt(PRIOR_RATE)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What was counted of a feed, fading over ``SPAN`` days.

    ``entries`` new entries in ``days`` days of watching; ``hours`` the same entries by UTC hour.
    """

    entries: float = 0.0
    days: float = 0.0
    hours: tuple[float, ...] = (0.0,) * 24

    @property
    def rate(self) -> float:
        """The estimated rate, in entries a day; never 0 (Gamma prior)."""
        return (self.entries + PRIOR_RATE * PRIOR_DAYS) / (self.days + PRIOR_DAYS)

    def by_hour(self) -> tuple[float, ...]:
        """Return how much busier than the average each UTC hour is (mean 1).

        A week's counts by the hour are mostly chance: they are spread over their neighbours, and
        weighed against an even day.
        """
        total = sum(self.hours)
        if total <= 0:
            return EVEN
        even = HOURS_WEIGHT / 24.0
        scale = 24.0 / (total + HOURS_WEIGHT)
        doubled = self.hours * 2
        return tuple(
            (sum(map(mul, _KERNEL, doubled[hour : hour + 7])) + even) * scale
            for hour in range(21, 45)
        )


def share_of_root(rhythm: Rhythm) -> float:
    """Return the mean over the day of the square root of the rate, in √(entries a day)."""
    return math.sqrt(rhythm.rate) * sum(map(math.sqrt, rhythm.by_hour())) / 24.0


def observed(rhythm: Rhythm, new: int, since: datetime, now: datetime) -> Rhythm:
    """Return the rhythm after ``new`` entries came between the polls at ``since`` and ``now``."""
    days = max((now - since) / DAY, 0.0)
    keep = math.exp(-days / SPAN)
    hours = [count * keep for count in rhythm.hours]
    if new and days <= 0.5:  # after a longer gap nobody knows the hour
        middle = since + (now - since) / 2
        hours[middle.astimezone(UTC).hour] += new
    # Entries and time fade alike, so their ratio stays the rate; both are taken at mid-interval.
    half = math.sqrt(keep)
    return Rhythm(
        rhythm.entries * keep + new * half, rhythm.days * keep + days * half, tuple(hours)
    )


def from_dates(dates: Sequence[datetime], now: datetime) -> Rhythm:
    """Return a first guess out of the entries' own dates, for a feed polled for the first time."""
    recent = [date for date in dates if timedelta(0) <= now - date <= SPAN * DAY]
    older = any(now - date > SPAN * DAY for date in dates)
    if not recent:
        return Rhythm(days=1.0) if older else Rhythm()
    days = SPAN if older else max((now - min(recent)) / DAY, 1 / 24)
    hours = [0.0] * 24
    for date in recent:
        hours[date.astimezone(UTC).hour] += 0.5  # dates are evidence, not our own count
    # A guess weighs a day at most: what we see ourselves soon replaces it.
    weight = min(1.0, 1.0 / days)
    return Rhythm(len(recent) * weight, days * weight, tuple(hours))


def to_text(rhythm: Rhythm) -> str:
    """Return the rhythm as a short text: a hundred thousand of them lie in memory."""
    numbers = (rhythm.entries, rhythm.days, *rhythm.hours)
    return " ".join(f"{number:.4g}" for number in numbers)


def per_day(text: object) -> float | None:
    """Return how many entries a day a rhythm's text counted, None where it can't tell; the hours
    are not read, since lists of ten thousand feeds are sorted by it."""
    try:
        entries, days, _ = str(text).split(" ", 2)
        return float(entries) / float(days)
    except (ValueError, ZeroDivisionError):
        return None


def from_text(text: object) -> Rhythm:
    """Return the rhythm a state keeps; a new one when there is none that can be read."""
    if not isinstance(text, str):
        return Rhythm()
    try:
        entries, days, *hours = (float(number) for number in text.split())
    except ValueError:
        return Rhythm()
    numbers = (*hours, entries, days)
    if len(hours) != 24 or not all(math.isfinite(n) and n >= 0 for n in numbers):
        return Rhythm()
    return Rhythm(entries, days, tuple(hours))


def wait_for(
    rhythm: Rhythm, now: datetime, pace: float, shortest: timedelta, longest: timedelta
) -> timedelta:
    """Return how long to wait until the next poll.

    With polls every T, an entry waits T/2 on the average. Minimising the sum of rate·T/2 over all
    feeds under a budget of Σ 1/T polls gives T = pace/√rate (the allocation of Sia and Cho,
    "Efficient Monitoring Algorithm for Fast News Alerts"). Over a day whose rate changes with the
    hour the same holds for each moment: the next poll is due when ∫√rate dt reaches the pace.

    ``pace`` is in minutes·√(entries a day). The result lies between ``shortest`` and ``longest``.
    """
    base = math.sqrt(rhythm.rate)
    pressures = [base * math.sqrt(share) for share in rhythm.by_hour()]
    utc = now.astimezone(UTC)
    hour, left = utc.hour, 60.0 - utc.minute - utc.second / 60.0
    minutes, limit = 0.0, longest / timedelta(minutes=1)
    while minutes < limit:
        pressure = pressures[hour]
        if pressure * left >= pace:
            minutes += pace / pressure
            break
        pace -= pressure * left
        minutes += left
        hour, left = (hour + 1) % 24, 60.0
    return min(max(timedelta(minutes=minutes), shortest), longest)


def pace_for(
    roots: Iterable[float],
    fixed_polls: float,
    budget: float,
    shortest: timedelta,
    longest: timedelta,
) -> float:
    """Return the pace at which feeds take ``budget`` polls a day.

    ``roots`` are the feeds' mean square roots of their rates (``share_of_root``). ``fixed_polls`` a
    day are spent already, by feeds whose interval is configured. What the shortest and the longest
    interval take away from a feed goes to the others (bisection, since the sum of polls falls as
    the pace grows). A budget too small even for ``longest`` gives the slowest pace there is.
    """
    most, least = DAY / shortest, DAY / longest
    per_day = max(budget - fixed_polls, 0.0)
    # A hundred thousand feeds fall into some hundred classes 2 % apart.
    classes = Counter(round(math.log(max(root, 1e-6)) * 50) for root in roots)
    if not classes:
        return DEFAULT_PACE
    grouped = [(1440.0 * math.exp(step / 50), count) for step, count in classes.items()]
    low, high = 1e-3, max(root for root, _ in grouped) / least * 2
    for _ in range(50):
        pace = math.sqrt(low * high)
        polls = sum(min(max(root / pace, least), most) * count for root, count in grouped)
        if polls > per_day:
            low = pace
        else:
            high = pace
    return high
