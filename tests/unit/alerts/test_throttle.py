"""The memory behind throttles, against a plain count over all that passed."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerts.throttle import Ledger
from monitor.config.types import Throttle
from tests.unit.alerts.build import NOW

SECOND = timedelta(seconds=1)


def passed(throttle: Throttle, times: list[datetime]) -> list[datetime]:
    """Return which of ``times`` the throttle lets through."""
    ledger, out = Ledger(), []
    for at in times:
        until = ledger.full_until("k", throttle, at)
        if until is None:
            ledger.note("k", throttle, at)
            out.append(at)
        else:
            assert until > at
        ledger.forget_old(at)
    return out


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 6), st.lists(st.integers(0, 400), max_size=60))
def test_an_exact_throttle_lets_through_all_it_may(limit: int, seconds: list[int]) -> None:
    throttle = Throttle.parse(f"{limit} per minute")
    times = [NOW + second * SECOND for second in sorted(seconds)]
    oracle: list[datetime] = []
    for at in times:
        if sum(1 for each in oracle if at - timedelta(minutes=1) < each) < limit:
            oracle.append(at)
    assert passed(throttle, times) == oracle


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 7200), min_size=150, max_size=600))
def test_a_large_throttle_never_lets_too_many_through(seconds: list[int]) -> None:
    throttle = Throttle.parse("120 per hour")
    found = passed(throttle, [NOW + second * SECOND for second in sorted(seconds)])
    for at in found:
        assert sum(1 for each in found if at - timedelta(hours=1) < each <= at) <= 120


def test_a_large_throttle_keeps_little_and_opens_again() -> None:
    throttle, ledger = Throttle.parse("500 per hour"), Ledger()
    for number in range(500):
        ledger.note("k", throttle, NOW + number * SECOND)
    assert len(ledger.sends["k"].times) <= 4
    until = ledger.full_until("k", throttle, NOW + 500 * SECOND)
    assert until is not None
    assert NOW + timedelta(hours=1) <= until <= NOW + timedelta(minutes=64)
    assert ledger.full_until("k", throttle, until) is None


def test_old_keys_are_forgotten() -> None:
    ledger = Ledger()
    ledger.note("k", Throttle.parse("1 per hour"), NOW)
    ledger.groups["g"] = NOW.timestamp()
    ledger.forget_old(NOW + timedelta(hours=2))
    assert ledger.sends == {}
    assert ledger.groups
    ledger.forget_old(NOW + timedelta(days=9))
    assert ledger.groups == {}
