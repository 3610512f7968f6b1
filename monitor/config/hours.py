"""Settings that tell of days of the week and times of the day: schedules, active hours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from monitor.config.types import TextValue, parse_clock, wrong

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_GROUPS = {
    "weekdays": frozenset(range(5)),
    "weekday": frozenset(range(5)),
    "weekends": frozenset({5, 6}),
    "weekend": frozenset({5, 6}),
    "daily": frozenset(range(7)),
    "everyday": frozenset(range(7)),
    "always": frozenset(range(7)),
}
EVERY_DAY = frozenset(range(7))


def parse_days(text: str) -> frozenset[int]:
    """Read ``weekdays``, ``mon-fri``, ``mon,thu`` as weekdays (Monday is 0)."""
    days: set[int] = set()
    for part in re.split(r"\s*,\s*", text.strip().lower()):
        if part in _DAY_GROUPS:
            days |= _DAY_GROUPS[part]
            continue
        first, dash, last = (word.strip()[:3] for word in part.partition("-"))
        if first not in DAY_NAMES or (dash and last not in DAY_NAMES):
            raise wrong("not days of the week", hint="write weekdays, mon-fri or mon,thu")
        start, end = DAY_NAMES.index(first), DAY_NAMES.index(last or first)
        days |= {day % 7 for day in range(start, end + 1 if end >= start else end + 8)}
    return frozenset(days)


def _days(value: Any) -> Any:
    if isinstance(value, str):
        return parse_days(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return parse_days(",".join(value))
    return value


Days = Annotated[
    frozenset[int],
    BeforeValidator(_days),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            "examples": ["weekdays", "mon-fri", "sat,sun"],
        }
    ),
]


class Schedule(TextValue):
    """When a digest is due: ``weekdays 08:00``, ``daily 08:00, 17:30``, ``hourly``, or cron.

    ``days`` are weekdays (Monday is 0), ``times`` local times in order, in the zone of
    ``defaults.timezone``.
    """

    __slots__ = ("days", "times")
    days: frozenset[int]
    times: tuple[time, ...]

    @classmethod
    def parse(cls, text: str) -> Schedule:
        value = cls(text)
        words = text.strip().lower()
        if words == "hourly":
            value.days, value.times = EVERY_DAY, tuple(time(hour) for hour in range(24))
            return value
        if len(words.split()) == 5 and ":" not in words:
            value.days, value.times = _cron(words.split())
            return value
        found = re.search(r"\d{1,2}:\d{2}", words)
        if not found:
            raise wrong(
                "not a schedule", hint='write "weekdays 08:00", "daily 08:00, 17:30" or "hourly"'
            )
        days, clocks = words[: found.start()].strip().rstrip(","), words[found.start() :]
        value.days = parse_days(re.sub(r"\b(at|every|on)\b", "", days).strip() or "daily")
        value.times = tuple(
            sorted({parse_clock(one) for one in re.split(r"[\s,]+", clocks) if one})
        )
        return value


def _cron(fields: list[str]) -> tuple[frozenset[int], tuple[time, ...]]:
    if fields[2] != "*" or fields[3] != "*":
        raise wrong("days of the month aren't supported", hint="use the weekday field alone")
    minutes = _cron_field(fields[0], 0, 59)
    hours = _cron_field(fields[1], 0, 23)
    names = {name: str((number + 1) % 7) for number, name in enumerate(DAY_NAMES)}
    spelled = re.sub(r"[a-z]{3}", lambda found: names.get(found[0], "x"), fields[4])
    # cron counts Sunday as 0 and as 7; Python counts Monday as 0.
    days = frozenset((day - 1) % 7 for day in _cron_field(spelled, 0, 7))
    if len(minutes) * len(hours) > 288:
        raise wrong("more than one digest every five minutes")
    return days, tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes))


def _cron_field(text: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        shape = re.fullmatch(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?", part)
        if not shape:
            raise wrong("not a cron field", hint='write "weekdays 08:00"')
        first = int(shape[1]) if shape[1] else low
        last = int(shape[2]) if shape[2] else (first if shape[1] and not shape[3] else high)
        step = int(shape[3] or 1)
        if not low <= first <= last <= high or step < 1:
            raise wrong("not a cron field", hint='write "weekdays 08:00"')
        found |= set(range(first, last + 1, step))
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` to ``end`` local time on ``days`` (Monday is 0, the day it starts on).

    An ``end`` not after its ``start`` is on the next day; equal times are the whole day.
    """

    days: frozenset[int]
    start: time
    end: time


class Hours(TextValue):
    """When a channel is active: ``always``, ``mon-fri 8:00-18:00; sat 10:00-12:00``.

    ``windows`` is empty for ``always``.
    """

    __slots__ = ("windows",)
    windows: tuple[Window, ...]

    @classmethod
    def parse(cls, text: str) -> Hours:
        value = cls(text)
        value.windows = ()
        if text.strip().lower() == "always":
            return value
        windows = []
        for part in re.split(r"\s*;\s*", text.strip().lower()):
            found = re.fullmatch(r"(.*?)\s*(\d{1,2}:\d{2})\s*(?:-|–|to)\s*(\d{1,2}:\d{2})", part)
            if not found:
                raise wrong("not active hours", hint='write always or "weekdays 08:00-18:00"')
            windows.append(
                Window(
                    parse_days(found[1] or "daily"), parse_clock(found[2]), parse_clock(found[3])
                )
            )
        value.windows = tuple(windows)
        return value
