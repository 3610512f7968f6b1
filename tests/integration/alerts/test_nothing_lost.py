"""Whatever is held, for whatever reason, and however the clock jumps: every story is told once."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.codec import alert_from_json
from monitor.config.models import InhibitSettings
from monitor.values import Alert
from tests.integration.alerts.test_rounds import NIGHT, Watch, watch

POLICIES: list[dict[str, Any]] = [
    {},
    {"quiet_hours": {"from": "22:00", "to": "06:30"}},
    {"quiet_hours": {"from": "22:00", "to": "06:30", "release": "each"}},
    {"hours": "weekdays 09:00-18:00"},
    {"throttle": "2 per hour"},
    {"per_feed": "1 per 30m"},
    {"digest": "daily 08:00, 17:00", "live": False},
    {"digest": "hourly", "live": False, "quiet_hours": {"from": "01:00", "to": "05:00"}},
    {"group_by": ["rule"], "group_wait": "5m", "group_interval": "1h"},
    {
        "group_by": ["rule"],
        "throttle": "3 per hour",
        "quiet_hours": {"from": "22:00", "to": "23:30"},
    },
]
RULES: dict[str, dict[str, Any]] = {
    "Low": {"severity": "low"},
    "Normal": {"throttle": "2 per 3h"},
    "High": {"severity": "high"},
    "Critical": {"severity": "critical"},
}
INHIBIT = [InhibitSettings(when={"severity": ["high"]}, mute={"severity": ["low"]})]

# Minutes by which the clock goes on; some go back: an hour, a day.
steps = st.sampled_from([0, 1, 7, 30, 61, 240, 720, -60, -1440])
moves = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "round", "restart"]), st.sampled_from(list(RULES)), steps
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(POLICIES), st.booleans(), moves)
def test_every_story_is_told_exactly_once(
    policy: dict[str, Any], inhibited: bool, script: list[tuple[str, str, int]]
) -> None:
    async def play() -> tuple[int, list[Alert], list[Alert]]:
        with tempfile.TemporaryDirectory() as folder:
            given: dict[str, Any] = {"channels": {"news": policy}, "rules": RULES}
            if inhibited:
                given["inhibit"] = INHIBIT
            async with watch(Path(folder), **given) as news:
                return await _play(news, script)

    taken, alerts, left = asyncio.run(play())
    assert left == []
    told: Counter[str] = Counter()
    for alert in alerts:
        assert alert.kind in ("alert", "digest")
        told.update([alert.title] if alert.kind == "alert" else [i.title for i in alert.items])
    assert told == Counter(f"T{number + 1}" for number in range(taken))


async def _play(
    news: Watch, script: list[tuple[str, str, int]]
) -> tuple[int, list[Alert], list[Alert]]:
    now, alerts, taken = NIGHT, [], 0
    await news.round(now)
    for move, rule, minutes in script:
        now += timedelta(minutes=minutes)
        if move == "take":
            rows = await news.takes(rule, now)
            taken += 1
            if rule == "Critical":
                assert [row.state for row in rows] == ["queued"]
        elif move == "round":
            await news.round(now)
        else:
            await news.restart()
        alerts += await news.queued()
    # Long enough for any of the policies, from wherever the clock was, and not always at the same
    # hour, which could lie in the quiet ones.
    for _ in range(8):
        now += timedelta(hours=27)
        await news.round(now)
        alerts += await news.queued()
    left = [
        alert_from_json(row.payload)
        for row in await news.store.outbox_rows(states=["held", "queued"])
    ]
    return taken, alerts, left
