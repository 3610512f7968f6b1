"""The small values a setting may hold, each read from the text that stands in the file.

Every scalar of the configuration arrives as text (``monitor.config.yaml`` changes nothing), so each
type here says how its text is read, and how an editor's JSON Schema describes it.
Contains no file reading and no settings objects.
"""

from __future__ import annotations

import re
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


class TextValue(str):
    """A setting that stays the text it was, and carries what the text means."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> TextValue:
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


class Throttle(TextValue):
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
