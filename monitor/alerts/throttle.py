"""How many alerts went where lately: the memory behind throttles and groups. Pure.

A ``Ledger`` remembers only what a limit asks for, so it stays small: for each key the newest
``limit`` alerts. It is stored with the polls that changed it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitor.config.types import Throttle

GROUP_MEMORY = timedelta(days=8)  # longer than any sensible group_interval
# Up to this limit each alert's time is kept; above it alerts are counted by twentieths of the
# throttle's time, each as if it were as late as its twentieth ends: never more than the limit pass.
EXACT = 100
PARTS = 20


@dataclass(slots=True)
class Sends:
    """The newest alerts under one key, as (seconds since the epoch, how many), oldest first;
    ``keep`` in seconds is how long they count."""

    keep: float
    times: list[tuple[float, int]] = field(default_factory=list)


@dataclass(slots=True)
class Ledger:
    """Counts alerts by key ("channel/news", "rule/Banks/news", "feed/Wire/news"). ``groups`` has
    the last time of each group's message."""

    sends: dict[str, Sends] = field(default_factory=dict)
    groups: dict[str, float] = field(default_factory=dict)

    def full_until(self, key: str, throttle: Throttle, now: datetime) -> datetime | None:
        """Return when ``key`` has room again, None when it has room now.

        Times ahead of ``now`` (the clock was set back) don't count: they would block for as long.
        """
        sends = self.sends.get(key)
        if sends is None:
            return None
        end, keep = now.timestamp(), _keep(throttle)
        total = 0
        for at, count in reversed(sends.times):
            if not end - keep < at <= end:
                continue
            total += count
            if total >= throttle.limit:
                return datetime.fromtimestamp(at + keep, now.tzinfo)
        return None

    def note(self, key: str, throttle: Throttle, now: datetime) -> None:
        """Count one alert under ``key``."""
        end, keep = now.timestamp(), _keep(throttle)
        sends = self.sends.setdefault(key, Sends(keep))
        sends.keep = keep
        if throttle.limit > EXACT:
            part = throttle.per.total_seconds() / PARTS
            end -= end % part
        times = [(at, count) for at, count in sends.times if at > end - keep]
        if times and times[-1][0] == end:
            times[-1] = (end, times[-1][1] + 1)
        else:
            times.append((end, 1))
        sends.times = times[-throttle.limit :]

    def forget_old(self, now: datetime) -> None:
        """Drop the keys and groups that no longer count."""
        end = now.timestamp()
        gone = [k for k, s in self.sends.items() if not s.times or s.times[-1][0] + s.keep < end]
        for key in gone:
            del self.sends[key]
        old = end - GROUP_MEMORY.total_seconds()
        for key in [k for k, at in self.groups.items() if at < old]:
            del self.groups[key]


def _keep(throttle: Throttle) -> float:
    """Return for how many seconds an alert counts."""
    per = throttle.per.total_seconds()
    return per * (1 + 1 / PARTS) if throttle.limit > EXACT else per
