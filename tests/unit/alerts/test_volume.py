"""Volume alerts: one message on how many stories a rule matches."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.alerts.desk import Desk
from monitor.alerts.route import Router
from monitor.alerts.volume import Volume, observe
from monitor.codec import alert_from_json
from monitor.config.models import VolumeSettings
from monitor.values import AlertItem
from tests.unit.alerts.build import NOW, matched, settings

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ITEM = AlertItem("T", None, "Wire", "R")


def bursts(
    settings: VolumeSettings, times: list[datetime], volume: Volume | None = None
) -> list[int]:
    """Return the positions of the stories that complete a burst."""
    volume = volume or Volume()
    return [
        number
        for number, at in enumerate(times)
        if observe(volume, settings, f"s{at}{number}", ITEM, at) is not None
    ]


def test_more_than_so_many_in_a_time_once() -> None:
    more_than_two = VolumeSettings(more_than=2, per=HOUR)
    minutes = [NOW + n * MINUTE for n in range(10)]
    assert bursts(more_than_two, minutes) == [2]
    assert bursts(more_than_two, [NOW + n * HOUR for n in range(10)]) == []
    # It may fire again when the time is over.
    assert bursts(more_than_two, [*minutes, *(NOW + 2 * HOUR + n * MINUTE for n in range(3))]) == [
        2,
        12,
    ]


def test_stories_count_not_reports() -> None:
    volume = Volume()
    once = [observe(volume, VolumeSettings(more_than=1), "same", ITEM, NOW) for _ in range(5)]
    assert once == [None] * 5
    burst = observe(volume, VolumeSettings(more_than=1), "other", ITEM, NOW)
    assert burst is not None
    assert (burst.count, burst.why) == (2, "2 stories in 1 hour, more than 1")


def test_a_spike_against_the_rules_own_past() -> None:
    spike = VolumeSettings(spike=3.0, per=HOUR)
    # Too little is known: nothing is a spike yet.
    assert bursts(spike, [NOW + n * MINUTE for n in range(30)]) == []
    volume = Volume()
    calm = [NOW + n * HOUR + k * 20 * MINUTE for n in range(48) for k in (0, 1)]
    assert bursts(spike, calm, volume) == []
    busy = [NOW + 48 * HOUR + n * MINUTE for n in range(12)]
    found = bursts(spike, busy, volume)
    assert len(found) == 1
    assert 3 <= found[0] <= 7  # about three times the usual two


def test_a_clock_set_back_does_not_stop_the_counting() -> None:
    volume = Volume()
    assert bursts(VolumeSettings(more_than=2), [NOW + n * MINUTE for n in range(3)], volume) == [2]
    earlier = [NOW - 48 * HOUR + n * MINUTE for n in range(3)]
    assert bursts(VolumeSettings(more_than=2), earlier, volume) == [2]


def test_a_rule_with_a_volume_posts_the_volume_alone() -> None:
    given = settings(
        channels={"news": {}, "syria": {}},
        rules={
            "Many": {"volume": VolumeSettings(more_than=2), "to": ["syria"], "severity": "high"},
            "Each": {},
        },
    )
    desk = Desk()
    rows = []
    for number in range(4):
        entry = matched("Many", "Each", story=f"s{number}", title=f"T{number}", entries=1)
        made = desk.plan(entry, (), Router(given), given, NOW + number * MINUTE)
        rows.append([(row.channel, row.kind) for row in made.rows])
        if number == 2:
            digest = alert_from_json(made.rows[-1].payload)
    assert rows == [
        [("news", "alert")],
        [("news", "alert")],
        [("news", "alert"), ("syria", "digest")],
        [("news", "alert")],
    ]
    assert digest.title == "Many: 3 stories in 1 hour, more than 2"
    assert [item.title for item in digest.items] == ["T0", "T1", "T2"]
    assert digest.severity.label == "high"


def test_a_volume_alert_keeps_quiet_hours() -> None:
    given = settings(
        channels={"news": {"quiet_hours": {"from": "08:00", "to": "20:00"}}},
        rules={"Many": {"volume": VolumeSettings(more_than=0)}},
    )
    (row,) = Desk().plan(matched("Many"), (), Router(given), given, NOW).rows
    assert (row.state, row.not_before) == ("held", NOW.replace(hour=20))
