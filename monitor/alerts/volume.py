"""Volume alerts: one message on how many stories a rule matches, instead of one on each. Pure.

Counted are stories, not reports. `more_than` is a plain limit; `spike` compares with the rule's own
usual number, the mean over the last two weeks (Huginn's PeakDetector looks back as far).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitor.config.models import VolumeSettings
from monitor.values import AlertItem

MEMORY = timedelta(days=14)
LEAST_HISTORY = 24  # periods before a rule's usual number means anything
LEAST_SPIKE = 3  # stories: twice nothing is no spike
ITEMS = 50  # stories listed in one message


@dataclass(slots=True)
class Counted:
    """One story that a rule matched, with its line for the message."""

    at: float
    story: str
    item: AlertItem


@dataclass(slots=True)
class Volume:
    """What is known of a rule: the stories of the current period, the number of each past one
    (by its number since the epoch), and when it last fired."""

    recent: list[Counted] = field(default_factory=list)
    past: dict[int, int] = field(default_factory=dict)
    since: float | None = None
    fired: float | None = None


@dataclass(frozen=True, slots=True)
class Burst:
    """More stories than usual: which, and in words how many."""

    items: tuple[AlertItem, ...]
    count: int
    why: str


def observe(
    volume: Volume,
    settings: VolumeSettings,
    story: str,
    item: AlertItem,
    now: datetime,
) -> Burst | None:
    """Count a story; return the burst it completes, at most one each period.

    ``volume`` is changed in place.
    """
    end, per = now.timestamp(), settings.per.total_seconds()
    volume.recent = [each for each in volume.recent if end - per < each.at <= end]
    if any(each.story == story for each in volume.recent):
        return None
    volume.recent.append(Counted(end, story, item))
    volume.since = end if volume.since is None else min(volume.since, end)
    period = int(end // per)
    oldest = period - int(MEMORY.total_seconds() // per) - 1
    volume.past = {at: count for at, count in volume.past.items() if oldest <= at <= period}
    volume.past[period] = volume.past.get(period, 0) + 1
    if volume.fired is not None and end - per < volume.fired <= end:
        return None
    count = len(volume.recent)
    why = _over(settings, count, _usual(volume.past, volume.since, period, per))
    if not why:
        return None
    volume.fired = end
    return Burst(tuple(each.item for each in volume.recent[-ITEMS:]), count, why)


def _usual(past: Mapping[int, int], since: float, period: int, per: float) -> float | None:
    """Return the mean number a period, over the periods since counting began (at most the last
    two weeks); None while there are too few of them."""
    first = max(int(since // per), period - int(MEMORY.total_seconds() // per))
    periods = period - first
    if periods < LEAST_HISTORY:
        return None
    return sum(count for at, count in past.items() if first <= at < period) / periods


def _over(settings: VolumeSettings, count: int, usual: float | None) -> str:
    """Return why ``count`` is remarkable, or ""."""
    per = _span(settings.per)
    if settings.more_than is not None and count > settings.more_than:
        return f"{count} stories in {per}, more than {settings.more_than}"
    if (
        settings.spike is not None
        and usual is not None
        and count >= max(LEAST_SPIKE, settings.spike * usual)
    ):
        return f"{count} stories in {per}, usually {usual:.1f}"
    return ""


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % size == 0:
            number = seconds // size
            return f"{number} {name}{'s' if number > 1 else ''}"
    return f"{seconds} seconds"
