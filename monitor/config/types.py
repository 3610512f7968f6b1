"""The small values a setting may hold, each read from the text that stands in the file.

Every scalar of the configuration arrives as text (``monitor.config.yaml`` changes nothing), so each
type here says how its text is read, and how an editor's JSON Schema describes it.
Contains no file reading and no settings objects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SecretStr,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_UNIT_WORDS = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "min": "m", "mins": "m", "minute": "m", "minutes": "m",
    "hour": "h", "hours": "h", "day": "d", "days": "d",
    "week": "w", "weeks": "w", "year": "y", "years": "y",
}  # fmt: skip
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?", re.IGNORECASE)
_SIZES = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})
_CLOCK = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
_MAX_SPAN = timedelta(days=36_500)

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


def wrong(message: str, **context: Any) -> PydanticCustomError:
    """Return the error that the loader turns into a ``Problem`` with its place."""
    return PydanticCustomError("setting", "{message}", {"message": message, **context})


def parse_duration(text: str) -> timedelta:
    """Read ``10m``, ``2h``, ``1h 30m``, ``30d``, ``1y`` (365 days); raises ``ValueError``."""
    rest = text.strip().lower()
    total = 0.0
    if not rest:
        raise ValueError(text)
    while rest:
        found = _SPAN.match(rest)
        if not found:
            raise ValueError(text)
        unit = _UNIT_WORDS.get(found[2], found[2])
        total += float(found[1]) * _UNITS[unit] if unit in _UNITS else _raise(text)
        rest = rest[found.end() :].strip()
    if total > _MAX_SPAN.total_seconds():
        raise ValueError(text)
    return timedelta(seconds=total)


def _raise(text: str) -> float:
    raise ValueError(text)


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError:
            raise wrong("not a duration", hint="write 30s, 10m, 2h, 30d, 1y") from None
    return value


def _positive(value: Any) -> Any:
    value = _duration(value)
    if isinstance(value, timedelta) and value <= timedelta(0):
        raise wrong("must be longer than nothing", hint="write 30s, 10m, 2h, 30d, 1y")
    return value


def _size(value: Any) -> Any:
    if isinstance(value, str):
        found = _SIZE.fullmatch(value.strip())
        if not found:
            raise wrong("not a size", hint="write 500MB, 5GB")
        return int(float(found[1]) * _SIZES[(found[2] or "b").lower()])
    return value


def _boolean(value: Any) -> Any:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise wrong("neither true nor false")
    return value


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        if re.fullmatch(r"[+-]?\d{1,12}", value.strip()):
            return int(value)
        raise wrong("not a whole number")
    return value


def _fraction(value: Any) -> Any:
    if isinstance(value, str):
        if re.fullmatch(r"[+-]?\d{1,12}(\.\d{1,12})?|\.\d{1,12}", value.strip()):
            return float(value)
        raise wrong("not a number")
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _day(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            raise wrong("not a date", hint="write 2024-12-08") from None
    return value


def _clock(value: Any) -> Any:
    if isinstance(value, str):
        return parse_clock(value)
    return value


def parse_clock(text: str) -> time:
    """Read ``08:00`` (24:00 is midnight, the end of the day)."""
    found = _CLOCK.fullmatch(text.strip())
    if not found or (found[1] == "24" and found[2] != "00"):
        raise wrong("not a time of day", hint='write "08:00"')
    return time(int(found[1]) % 24, int(found[2]))


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_TEXT_OR_NUMBER: dict[str, Any] = {"type": ["string", "number", "boolean"]}
DURATION_PATTERN = r"^\s*(\d+(\.\d+)?\s*[a-zA-Z]+\s*)+$"

Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema(
        {"type": "string", "pattern": DURATION_PATTERN, "examples": ["10m", "2h", "30d"]}
    ),
]
Interval = Annotated[
    timedelta,
    BeforeValidator(_positive),
    WithJsonSchema(
        {"type": "string", "pattern": DURATION_PATTERN, "examples": ["10m", "2h", "30d"]}
    ),
]
Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["5GB"]}),
]
Flag = Annotated[bool, BeforeValidator(_boolean), WithJsonSchema({"type": "boolean"})]
Whole = Annotated[int, BeforeValidator(_whole), WithJsonSchema({"type": "integer"})]
Fraction = Annotated[float, BeforeValidator(_fraction), WithJsonSchema({"type": "number"})]
Day = Annotated[
    date,
    BeforeValidator(_day),
    # No type: readers of YAML 1.1 make dates of it, and their validators see those.
    WithJsonSchema({"format": "date", "examples": ["2024-12-08"]}),
]
Clock = Annotated[
    time,
    BeforeValidator(_clock),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}:\d{2}$", "examples": ["08:00"]}),
]
Text = Annotated[str, WithJsonSchema(_TEXT_OR_NUMBER)]
OneOrMore = Annotated[
    list[str],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [_TEXT_OR_NUMBER, {"type": "array", "items": _TEXT_OR_NUMBER}]}),
]
Texts = Annotated[list[str], WithJsonSchema({"type": "array", "items": _TEXT_OR_NUMBER})]


def _secret(value: Any) -> Any:
    return SecretStr(value) if isinstance(value, str) else value


Secret = Annotated[
    SecretStr,
    BeforeValidator(_secret),
    WithJsonSchema({"type": "string", "examples": ["${NAME}"]}),
]
SeverityName = Literal["info", "low", "normal", "high", "critical"]


class _TextValue(str):
    """A setting that stays the text it was, and carries what the text means."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> _TextValue:
        raise NotImplementedError

    @classmethod
    def _validate(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls.parse(value)
        raise wrong("must be a text")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._validate)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string"}


class Throttle(_TextValue):
    """``10 per hour``: at most ``limit`` alerts in any ``per``."""

    __slots__ = ("limit", "per")
    limit: int
    per: timedelta

    @classmethod
    def parse(cls, text: str) -> Throttle:
        found = re.fullmatch(r"(\d{1,6})\s*(?:per|/|a|an|every|in)\s*(.+)", text.strip().lower())
        per: timedelta | None = None
        if found:
            unit = found[2].strip()
            try:
                per = parse_duration(unit if unit[:1].isdigit() else f"1 {unit}")
            except ValueError:
                per = None
        if not found or per is None or per <= timedelta(0) or int(found[1]) < 1:
            raise wrong("not a throttle", hint="write `10 per hour`, `3 per 30m`")
        value = cls(text)
        value.limit, value.per = int(found[1]), per
        return value


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


class Schedule(_TextValue):
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


class Hours(_TextValue):
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
