"""Structured logs: readable on a terminal, one JSON object a line otherwise.

No secret and no raw control character leaves through here, whatever a feed or a library puts into
a message: both formatters redact the known secret values and Slack's token shapes, then escape.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import IO, Any, ClassVar

# Shapes of Slack tokens and webhook addresses (docs.slack.dev/authentication/tokens).
_SECRET_SHAPES = re.compile(
    r"xox[a-z]-[\w.-]+|xapp-[\w.-]+|(?<=/services/)T[\w/]+|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
# Everything str.isprintable() calls unprintable except the blank, found in one pass: C0, C1, DEL,
# line and paragraph separators, bidi controls, zero-width marks, lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_PLAIN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MAX_VALUE = 2_000  # characters of one logged value; the rest of a hostile title helps nobody


class Redactor:
    """Replaces secret values by ``***``. Values are added as configurations are loaded."""

    def __init__(self) -> None:
        self._values: frozenset[str] = frozenset()

    def add(self, values: Iterable[str]) -> None:
        """Remember secret values (four characters or longer; shorter ones would redact prose)."""
        self._values |= {value for value in values if len(value) >= 4}

    def clean(self, text: str) -> str:
        """Return ``text`` without secrets and without raw control characters."""
        for value in self._values:
            if value in text:
                text = text.replace(value, "***")
        text = _SECRET_SHAPES.sub("***", text)
        if len(text) > _MAX_VALUE:
            text = text[:_MAX_VALUE] + "…"
        return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _PLAIN_ATTRIBUTES}


def _trace(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    return "".join(traceback.format_exception(*record.exc_info)).rstrip()


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, logger, message, and the extras."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        clean = self._redactor.clean
        out: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        for key, value in _extras(record).items():
            plain = value is None or isinstance(value, bool | int | float)
            out[key] = value if plain else clean(str(value))
        if trace := _trace(record):
            out["traceback"] = [clean(line) for line in trace.splitlines()]
        return json.dumps(out)


class HumanFormatter(logging.Formatter):
    """``12:30:05 warning feed failed  feed=… status=…``, with colour when asked."""

    _COLOURS: ClassVar[dict[str, str]] = {"warning": "\x1b[33m", "error": "\x1b[31m"}

    def __init__(self, redactor: Redactor, *, colour: bool) -> None:
        super().__init__()
        self._redactor = redactor
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        clean = self._redactor.clean
        level = record.levelname.lower()
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = f"{time} {level:<7} {clean(record.getMessage())}"
        if extras := _extras(record):
            line += "  " + " ".join(f"{key}={_quoted(clean(str(extras[key])))}" for key in extras)
        if self._colour and level in self._COLOURS:
            line = f"{self._COLOURS[level]}{line}\x1b[0m"
        if trace := _trace(record):
            line += "\n" + "\n".join("  " + clean(part) for part in trace.splitlines())
        return line


def setup(
    level: str = "info", *, stream: IO[str] | None = None, as_json: bool | None = None
) -> Redactor:
    """Send all logs to ``stream`` (stderr), as JSON unless it is a terminal.

    Returns the redactor, to which the caller adds the configuration's secrets. Libraries speak at
    WARNING and above only: slack-sdk logs message bodies at DEBUG, httpx every request at INFO.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    redactor = Redactor()
    formatter: logging.Formatter = (
        JsonFormatter(redactor)
        if (not terminal if as_json is None else as_json)
        else HumanFormatter(redactor, colour=terminal)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("monitor").setLevel(level.upper())
    logging.captureWarnings(True)
    return redactor
