"""What holds an alert: time of day, digests, throttles, groups, inhibition, silences."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis
import pytest
from hypothesis import given as given_by
from hypothesis import strategies as st

from monitor.alerts.desk import Desk
from monitor.alerts.plan import Plan
from monitor.alerts.policy import Policy, held_by_time
from monitor.alerts.route import Router
from monitor.alerts.silence import make_silence, parse_matchers
from monitor.codec import alert_from_json
from monitor.config.hours import Hours, Window
from monitor.config.models import QuietHours, Settings
from monitor.store.port import OutboxRow
from monitor.values import EntityMention
from tests.unit.alerts.build import NOW, matched, settings

RULES = {
    "A": {},
    "B": {},
    "Critical": {"severity": "critical"},
    "Major": {"severity": "high"},
    "Minor": {"severity": "low"},
}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Watch:
    """One desk that is given entries of ever new stories."""

    def __init__(self, given: Settings) -> None:
        self.given = given
        self.desk = Desk()
        self.number = 0

    def takes(self, rule: str, now: datetime = NOW, **about: Any) -> Plan:
        self.number += 1
        entry = matched(rule, **{"story": f"story-{self.number}", "at": now, **about})
        return self.desk.plan(entry, about.get("prior", ()), Router(self.given), self.given, now)

    def state(self, rule: str, now: datetime = NOW, **about: Any) -> str | datetime:
        """Return "now" or until when the one row is held."""
        (row,) = self.takes(rule, now, **about).rows
        return "now" if row.state == "queued" else row.not_before


def watch(**policy: Any) -> Watch:
    return Watch(settings(channels={"news": policy, "other": {}}, rules=RULES))


@pytest.mark.parametrize(
    ("policy", "now", "expected"),
    [
        ({}, "2026-03-02T03:00", None),
        ({"quiet_hours": {"from": "22:00", "to": "06:30"}}, "2026-03-02T12:00", None),
        (
            {"quiet_hours": {"from": "22:00", "to": "06:30"}},
            "2026-03-02T23:00",
            "2026-03-03T06:30",
        ),
        (
            {"quiet_hours": {"from": "22:00", "to": "06:30"}},
            "2026-03-03T06:00",
            "2026-03-03T06:30",
        ),
        ({"hours": "always"}, "2026-03-02T03:00", None),
        ({"hours": "weekdays 09:00-18:00"}, "2026-03-06T19:00", "2026-03-09T09:00"),
        # Quiet hours that end before active ones begin.
        (
            {
                "hours": "weekdays 09:00-18:00",
                "quiet_hours": {"from": "22:00", "to": "06:30"},
            },
            "2026-03-05T23:00",
            "2026-03-06T09:00",
        ),
        # Quiet hours on weekdays, with an exception.
        (
            {"quiet_hours": {"from": "22:00", "to": "06:30", "days": "mon-fri"}},
            "2026-03-07T23:00",
            None,
        ),
        (
            {"quiet_hours": {"from": "22:00", "to": "06:30", "except": ["2026-03-02"]}},
            "2026-03-02T23:00",
            None,
        ),
        # Digests alone; a live channel with a digest posts at once as well.
        ({"digest": "daily 08:00", "live": False}, "2026-03-02T12:00", "2026-03-03T08:00"),
        ({"digest": "daily 08:00", "live": False}, "2026-03-02T08:00", "2026-03-03T08:00"),
        ({"digest": "daily 08:00"}, "2026-03-02T12:00", None),
        # A digest that falls into quiet hours comes at their end.
        (
            {
                "digest": "daily 05:00",
                "live": False,
                "quiet_hours": {"from": "22:00", "to": "06:30"},
            },
            "2026-03-02T12:00",
            "2026-03-03T06:30",
        ),
        # Quiet hours that never end are not kept: nothing is lost.
        ({"quiet_hours": {"from": "00:00", "to": "24:00"}}, "2026-03-02T12:00", None),
    ],
)
def test_time_of_day(policy: dict[str, Any], now: str, expected: str | None) -> None:
    found = watch(**policy).state("A", at(now))
    assert found == ("now" if expected is None else at(expected))
    assert watch(**policy).state("Critical", at(now)) == "now"


def test_quiet_hours_are_local_and_know_the_clock_change() -> None:
    given = settings(
        channels={"news": {"quiet_hours": {"from": "22:00", "to": "06:30"}}},
        rules=RULES,
        timezone="Europe/Paris",
    )
    before, change = Watch(given), Watch(given)
    assert before.state("A", at("2026-03-28T01:00")) == at("2026-03-28T05:30")
    assert change.state("A", at("2026-03-28T22:00")) == at("2026-03-29T04:30")


def test_a_route_overrides_its_channel() -> None:
    given = settings(
        channels={"news": {"quiet_hours": {"from": "08:00", "to": "20:00"}}},
        rules=RULES,
        routes=[{"when": {"rule": "A"}, "to": ["news"], "hours": "always", "quiet_hours": None}],
    )
    assert Watch(given).state("A") == "now"
    assert Watch(given).state("B") == at("2026-03-02T20:00")
    collected = settings(
        rules=RULES, routes=[{"when": {"rule": "A"}, "to": ["news"], "digest": "daily 18:00"}]
    )
    assert Watch(collected).state("A") == at("2026-03-02T18:00")
    assert Watch(collected).state("B") == "now"


def test_a_throttle_lets_so_many_through() -> None:
    news = watch(throttle="2 per hour")
    assert [news.state("A", NOW + n * MINUTE) for n in range(4)] == [
        "now",
        "now",
        NOW + HOUR,
        NOW + HOUR,
    ]
    assert news.state("A", NOW + HOUR) == "now"
    assert news.state("Critical", NOW + HOUR) == "now"
    # A clock set back doesn't block the channel until it has caught up.
    assert news.state("A", NOW - 24 * HOUR) == "now"


def test_a_rule_and_a_route_have_throttles_of_their_own() -> None:
    of_rule = Watch(settings(rules={"A": {"throttle": "1 per hour"}, "B": {}}))
    assert [of_rule.state("A"), of_rule.state("A"), of_rule.state("B")] == [
        "now",
        NOW + HOUR,
        "now",
    ]
    routes = [{"when": {"rule": "A"}, "to": ["news"], "throttle": "1 per 2h"}]
    of_route = Watch(settings(rules=RULES, routes=routes))
    assert [of_route.state("A"), of_route.state("A"), of_route.state("B")] == [
        "now",
        NOW + 2 * HOUR,
        "now",
    ]


def test_a_story_of_two_rules_passes_when_one_of_them_has_room() -> None:
    both = Watch(settings(rules={"A": {"throttle": "1 per hour"}, "B": {}}))
    both.takes("A")
    entry = matched("A", "B", story="both")
    made = both.desk.plan(entry, (), Router(both.given), both.given, NOW)
    assert [row.state for row in made.rows] == ["queued"]


def test_one_feed_cannot_flood() -> None:
    news = watch(per_feed="2 per hour")
    found = [news.state("A", feed=feed) for feed in ("Wire", "Wire", "Wire", "Herald")]
    assert found == ["now", "now", NOW + HOUR, "now"]


def test_groups_wait_and_then_keep_their_interval() -> None:
    news = watch(group_by=["rule"], group_wait="30s", group_interval="5m")
    second = timedelta(seconds=1)
    assert news.state("A") == NOW + 30 * second
    assert news.state("A", NOW + 10 * second) == NOW + 30 * second
    assert news.state("B", NOW + 10 * second) == NOW + 40 * second
    assert news.state("A", NOW + 60 * second) == NOW + 330 * second
    assert news.state("A", NOW + 331 * second) == NOW + 630 * second
    assert news.state("A", NOW + HOUR) == NOW + HOUR + 30 * second
    assert news.state("Critical", NOW + HOUR) == "now"


def test_a_group_is_named_in_the_row() -> None:
    news = watch(group_by=["entities", "rule"])
    made = news.takes("A", entities=(EntityMention("Syria", "SY", "country"),))
    assert alert_from_json(made.rows[0].payload).group == "entities=SY,Syria; rule=A"
    no_wait = watch(group_by=["rule"], group_wait="0s", group_interval="5m")
    assert no_wait.state("A") == "now"
    assert no_wait.state("A") == NOW + 5 * MINUTE


def test_groups_and_quiet_hours() -> None:
    news = watch(group_by=["rule"], quiet_hours={"from": "08:00", "to": "20:00"})
    (row,) = news.takes("A").rows
    assert row.not_before == at("2026-03-02T20:00")
    assert alert_from_json(row.payload).group == ""


INHIBIT: list[dict[str, Any]] = [
    {
        "when": {"severity": ["high"]},
        "mute": {"severity": ["low", "normal"]},
        "equal": ["entities"],
        "within": timedelta(hours=2),
    }
]
SYRIA: dict[str, Any] = {"entities": (EntityMention("Syria", "SY", "country"),)}
IRAN: dict[str, Any] = {"entities": (EntityMention("Iran", "IR", "country"),)}


def test_a_major_alert_holds_the_minor_ones_it_explains() -> None:
    from monitor.config.models import InhibitSettings

    given = settings(rules=RULES, inhibit=[InhibitSettings(**each) for each in INHIBIT])
    news = Watch(given)
    assert news.state("Minor", **SYRIA) == "now"
    assert news.state("Major", **SYRIA) == "now"
    assert news.state("Minor", NOW + HOUR, **SYRIA) == NOW + 2 * HOUR
    assert news.state("Minor", NOW + HOUR, **IRAN) == "now"
    assert news.state("Major", NOW + HOUR, **SYRIA) == "now"
    assert news.state("Critical", NOW + HOUR, **SYRIA) == "now"
    assert news.state("Minor", NOW + 4 * HOUR, **SYRIA) == "now"


def silenced(*matchers: str, then: Any = "drop") -> Watch:
    news = watch()
    news.desk.silences = (
        make_silence(parse_matchers(matchers), HOUR, NOW, comment="enough", then=then),
    )
    return news


@pytest.mark.parametrize(
    ("matchers", "rule", "about", "muted"),
    [
        (["rule=A"], "A", {}, True),
        (["rule=A"], "B", {}, False),
        (["rule=a*"], "A", {}, True),
        (["source=Reuters"], "A", {"sources": ("Wire", "Reuters")}, True),
        (["source=Reuters"], "A", {"sources": ("Wire",)}, False),
        (["entity=Syria", "rule=A"], "A", SYRIA, True),
        (["entity=Syria", "rule=B"], "A", SYRIA, False),
        (["rule=A", "rule=B"], "B", {}, True),
        (["rule=*"], "Critical", {}, False),
    ],
)
def test_silences(matchers: list[str], rule: str, about: dict[str, Any], muted: bool) -> None:
    made = silenced(*matchers).takes(rule, **about)
    assert (made.rows == ()) is muted
    assert ("silenced" in made.outcome) is muted


def test_a_silence_ends() -> None:
    news = silenced("rule=A")
    assert news.takes("A", NOW + 59 * MINUTE).rows == ()
    assert news.state("A", NOW + HOUR) == "now"


def test_a_silence_can_keep_what_it_mutes() -> None:
    assert silenced("rule=A", then="digest").state("A") == NOW + HOUR


def test_a_silenced_rule_leaves_the_others() -> None:
    news = silenced("rule=A")
    entry = matched("A", "B")
    made = news.desk.plan(entry, (), Router(news.given), news.given, NOW)
    assert [alert_from_json(row.payload).rules for row in made.rows] == [("B",)]


def test_the_reason_is_shown_with_the_row() -> None:
    rows: list[OutboxRow] = []
    for policy in (
        {"quiet_hours": {"from": "08:00", "to": "20:00"}},
        {"hours": "weekends 10:00-12:00"},
        {"digest": "daily 08:00", "live": False},
    ):
        rows.extend(watch(**policy).takes("A").rows)
    assert [row.error for row in rows] == [
        "quiet hours",
        "outside active hours",
        "digest daily 08:00",
    ]


clocks = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))
weekdays = st.frozensets(st.integers(0, 6), min_size=1)
NIGHTS = [
    ("Europe/Paris", "2026-03-28T12:00"),
    ("Europe/Paris", "2026-10-24T12:00"),
    ("America/New_York", "2026-11-01T00:00"),
    ("Africa/Cairo", "2026-04-23T12:00"),
    ("UTC", "2028-02-28T18:00"),
]


@hypothesis.settings(max_examples=60, deadline=None)
@given_by(
    st.sampled_from(NIGHTS),
    st.tuples(clocks, clocks, weekdays),
    st.none() | st.tuples(clocks, clocks, weekdays),
    st.integers(0, 24 * 60),
)
def test_a_hold_ends_at_the_first_minute_that_is_neither_quiet_nor_closed(
    night: tuple[str, str],
    quiet: tuple[time, time, frozenset[int]],
    active: tuple[time, time, frozenset[int]] | None,
    offset: int,
) -> None:
    """Against a plain oracle that asks each minute what the wall shows."""
    zone, now = ZoneInfo(night[0]), at(night[1]) + offset * MINUTE

    def shows(window: tuple[time, time, frozenset[int]], moment: datetime) -> bool:
        start, end, on = window
        wall = moment.astimezone(zone)
        today, yesterday = wall.weekday() in on, (wall.weekday() - 1) % 7 in on
        clock = wall.time()
        if start < end:
            return today and start <= clock < end
        return (today and clock >= start) or (yesterday and clock < end)

    days = {"days": quiet[2]}
    hours = Hours("hours")
    hours.windows = (Window(active[2], active[0], active[1]),) if active else ()
    policy = Policy(
        zone,
        quiet_hours=QuietHours(**{"from": quiet[0], "to": quiet[1]}, **days),  # type: ignore[arg-type]
        hours=hours if active else None,
    )

    def may_go(moment: datetime) -> bool:
        return not shows(quiet, moment) and (active is None or shows(active, moment))

    expected = next((m for m in (now + n * MINUTE for n in range(9 * 24 * 60)) if may_go(m)), None)
    found = held_by_time(policy, now)
    if expected == now or expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.until == expected
