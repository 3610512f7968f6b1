"""Values to columns and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from monitor.store import rows
from monitor.values import Feed


@pytest.mark.parametrize(
    ("moment", "micros"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
        (datetime(2026, 3, 1, 12, 0, 0, 123_457, tzinfo=UTC), 1_772_366_400_123_457),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 253_402_300_799_999_999),
        (datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 0),
    ],
)
def test_times_keep_their_microseconds(moment: datetime, micros: int) -> None:
    assert rows.micros(moment) == micros
    assert rows.moment(micros) == moment
    assert rows.moment(micros).tzinfo is UTC


@pytest.mark.parametrize(
    ("given", "kept"),
    [("plain", "plain"), ("é\0", "é\ufffd"), ("\ud83d\ude00", "\ufffd\ufffd"), ("😀", "😀")],
)
def test_text_is_mended(given: str, kept: str) -> None:
    assert rows.text(given) == kept


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a.example/x", "http://A.example:8080/y?z"),
        ("file:///a", "file:///b"),
        ("http://[bad", "http://[bad"),
    ],
)
def test_feeds_of_one_host_share_a_shard(one: str, other: str) -> None:
    shard = rows.shard_of(Feed(one, one, "a"))
    assert shard == rows.shard_of(Feed(other, other, "b"))
    assert 0 <= shard < rows.SHARDS


def test_shards_are_used_evenly() -> None:
    used = {rows.shard_of(Feed("", f"https://host{n}.example/", "a")) for n in range(3_000)}
    assert len(used) == rows.SHARDS
