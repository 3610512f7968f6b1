"""Identifiers that sort by the time they were made: ULIDs (github.com/ulid/spec)."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # base 32 without I, L, O, U
_PAIRS = [high + low for high in _CROCKFORD for low in _CROCKFORD]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RANDOM_BITS = 80


def new_id(now: datetime) -> str:
    """Return a fresh ULID for ``now``: 26 characters, 48 bits of time and 80 of chance."""
    return _stamp(now) + _spelled(int.from_bytes(os.urandom(_RANDOM_BITS // 8)), _RANDOM_BITS)


@lru_cache(maxsize=8)
def _stamp(now: datetime) -> str:
    return _spelled((now - _EPOCH) // _MILLISECOND, 50)


def _spelled(number: int, bits: int) -> str:
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(bits - 10, -1, -10)])
