"""What `check` finds in policies, and how routes override channels."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from monitor.alerts.policy import PER_FEED, findings, policy_of
from monitor.alerts.route import Destination
from tests.unit.alerts.build import settings


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"quiet_hours": {"from": "00:00", "to": "24:00"}}, "quiet hours never end"),
        (
            {"quiet_hours": {"from": "08:00", "to": "20:00"}, "hours": "mon 09:00-12:00"},
            "quiet in all its active hours",
        ),
        ({"live": False}, "`live: false` does nothing"),
        ({"heartbeat": True}, "`heartbeat` does nothing"),
        ({"digest": "daily 08:00", "live": False, "heartbeat": True}, None),
        ({"quiet_hours": {"from": "22:00", "to": "06:00"}, "hours": "mon 09:00-10:00"}, None),
    ],
)
def test_findings(policy: dict[str, Any], expected: str | None) -> None:
    found = findings(settings(channels={"news": policy}))
    if expected is None:
        assert found == ()
    else:
        assert len(found) == 1
        assert expected in found[0]


def test_a_console_nobody_asked_for_is_found() -> None:
    two: dict[str, Any] = {"channels": {"a": {}, "b": {}}, "default": None}
    (found,) = findings(settings(**two, rules={"R": {}}))
    assert "defaults.channel" in found
    assert findings(settings(**two, rules={"R": {"to": ["a"]}})) == ()
    assert findings(settings(**two, rules={"R": {}}, routes=[{"to": ["a"]}])) == ()


def test_what_a_route_says_counts_before_its_channel() -> None:
    given = settings(
        channels={
            "news": {"throttle": "5 per hour", "hours": "weekdays 09:00-18:00", "group_by": "rule"}
        },
        routes=[
            {"to": ["news"], "throttle": "1 per hour", "continue": True},
            {"to": ["news"], "throttle": "9 per hour", "hours": "always"},
        ],
    )
    policy = policy_of(Destination("news", routes=(0, 1)), given)
    assert (policy.throttle, policy.route) == ("1 per hour", 0)
    assert policy.hours == "always"
    assert policy.group_by == ("rule",)
    own = policy_of(Destination("news"), given)
    assert (own.throttle, own.route, own.per_feed) == ("5 per hour", None, PER_FEED)
    console = policy_of(Destination("console"), given)
    assert (console.throttle, console.live) == (None, True)
    assert console.group_wait == timedelta(seconds=30)
