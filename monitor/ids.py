"""Identifiers that sort by the time they were made: ULIDs (github.com/ulid/spec)."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # base 32 without I, L, O, U
_PAIRS = [high + low for high in _CROCKFORD for low in _CROCKFORD]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RANDOM_BITS = 80
_lock = threading.Lock()
_last: list[Any] = ["", 0]  # the stamp and the number of the latest id


def new_id(now: datetime) -> str:
    """Return a fresh ULID for ``now``: 26 characters, 48 bits of time and 80 of chance.

    Of one millisecond the later one is the greater (the specification's monotonic ids): what came
    in one poll is told in its order.
    """
    stamp = _stamp(now)
    with _lock:
        number = int.from_bytes(os.urandom(_RANDOM_BITS // 8)) >> 1  # room to count up
        if stamp == _last[0]:
            number = _last[1] + 1 + (number >> 40)
        _last[:] = stamp, number
    return stamp + _spelled(number, _RANDOM_BITS)


@lru_cache(maxsize=8)
def _stamp(now: datetime) -> str:
    return _spelled((now - _EPOCH) // _MILLISECOND, 50)


def _spelled(number: int, bits: int) -> str:
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(bits - 10, -1, -10)])
