"""What an answer's headers say: when to ask again, and who pushes. Pure functions over values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

RETRY_AFTER_MAX = timedelta(days=7)  # a longer wish is a mistake, or a way to silence a feed
FRESH_MAX = timedelta(days=30)  # bounds the arithmetic; the schedule has its own, smaller, maximum

_DELTA = re.compile(r"[0-9]{1,30}\Z")
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?([0-9]{1,30})\"?\s*(?:,|$)", re.IGNORECASE)
_UNCACHED = re.compile(r"(?:^|[,\s])(?:no-store|no-cache)\s*(?:,|=|$)", re.IGNORECASE)
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[^,;="]+(?:=(?:"[^"]*"|[^,;"]*))?)*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^,;"\s]*))', re.IGNORECASE)


def http_date(value: str | None) -> datetime | None:
    """Return the moment an HTTP date names (RFC 9110 §5.6.7), or None if it names none."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value.strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment


def _server_now(headers: Mapping[str, str], now: datetime) -> datetime:
    return http_date(headers.get("date")) or now


def retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Return when the server wants to be asked again, by our clock; None if it doesn't say.

    Both forms of RFC 9110 §10.2.3 are read. A date is taken relative to the answer's own ``Date``,
    so that a server whose clock is wrong is still understood. What is negative or can't be read
    is ignored; more than seven days is seven days.
    """
    value = headers.get("retry-after", "").strip()
    if _DELTA.match(value):
        return now + min(timedelta(seconds=min(int(value), 10**9)), RETRY_AFTER_MAX)
    moment = http_date(value)
    if moment is None:
        return None
    wait = moment - _server_now(headers, now)
    return now + min(wait, RETRY_AFTER_MAX) if wait > timedelta(0) else None


def fresh_until(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Return until when the answer stays fresh (RFC 9111 §4.2.1), by our clock; None if unsaid.

    ``Cache-Control: max-age`` (less ``Age``) goes before ``Expires``; ``no-store`` and ``no-cache``
    mean no freshness.
    """
    control = headers.get("cache-control", "")
    if _UNCACHED.search(control):
        return None
    found = _MAX_AGE.search(control)
    if found:
        age = headers.get("age", "").strip()
        seconds = int(found[1]) - (int(age) if _DELTA.match(age) else 0)
        return now + min(timedelta(seconds=min(seconds, 10**9)), FRESH_MAX) if seconds > 0 else None
    expires = http_date(headers.get("expires"))
    if expires is None:
        return None
    left = expires - _server_now(headers, now)
    return now + min(left, FRESH_MAX) if left > timedelta(0) else None


def link_rels(value: str, base: str) -> dict[str, list[str]]:
    """Return a Link header's targets by relation (RFC 8288), made absolute."""
    found: dict[str, list[str]] = {}
    for target, parameters in _LINK.findall(value[:8192]):
        rel = _REL.search(parameters)
        for name in ((rel[1] or rel[2]) if rel else "").lower().split():
            try:
                found.setdefault(name, []).append(urljoin(base, target.strip()))
            except ValueError:
                continue
    return found
