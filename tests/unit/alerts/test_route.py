"""Where an alert goes."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerts.route import CONSOLE, Labels, Router
from monitor.values import Severity
from tests.unit.alerts.build import settings

SYRIA = {"Syria": {"to": ["syria"]}}


def channels_of(labels: Labels, **given: Any) -> tuple[str, ...]:
    return tuple(each.channel for each in Router(settings(**given)).route(labels))


@pytest.mark.parametrize(
    ("given", "rules", "expected"),
    [
        ({}, ("Banks",), ("news",)),
        ({"rules": SYRIA}, ("Syria",), ("syria",)),
        # `to` lets the routes follow.
        ({"rules": SYRIA, "routes": [{"to": ["pager"]}]}, ("Syria",), ("syria", "pager")),
        # The first route that matches ends the walk…
        ({"routes": [{"to": ["syria"]}, {"to": ["pager"]}]}, ("Banks",), ("syria",)),
        # …unless it says continue.
        (
            {"routes": [{"to": ["syria"], "continue": True}, {"to": ["pager"]}]},
            ("Banks",),
            ("syria", "pager"),
        ),
        # A route that continued took the alert: no default channel besides.
        ({"routes": [{"to": ["syria"], "continue": True}]}, ("Banks",), ("syria",)),
        # Each rule is routed by itself; what no route takes goes to the default channel.
        ({"rules": SYRIA}, ("Syria", "Banks"), ("syria", "news")),
        # However many rules and routes name a channel, it is there once.
        (
            {"rules": {**SYRIA, "Banks": {"to": ["syria"]}}, "routes": [{"to": ["syria"]}]},
            ("Syria", "Banks"),
            ("syria",),
        ),
        ({"routes": [{"to": ["pager"], "enabled": False}]}, ("Banks",), ("news",)),
        # A channel that is off or unknown takes nothing, and nothing is lost.
        (
            {
                "channels": {"news": {}, "pager": {"enabled": False}},
                "rules": {"Banks": {"to": ["pager", "gone"]}},
            },
            ("Banks",),
            ("news",),
        ),
        # A route without `to` keeps the alert in the default channel.
        ({"routes": [{"mention": ["U1"]}, {"to": ["pager"]}]}, ("Banks",), ("news",)),
        ({"default": None, "channels": {"only": {}}}, ("Banks",), ("only",)),
        ({"default": None, "channels": {"only": {}, "ops": {}}}, ("Banks",), ("only",)),
        ({"default": None, "channels": {"a": {}, "b": {}}}, ("Banks",), (CONSOLE,)),
        ({"default": None, "channels": {}}, ("Banks",), (CONSOLE,)),
        ({"channels": {"news": {"enabled": False}, "b": {}}}, ("Banks",), ("b",)),
    ],
)
def test_destinations(
    given: dict[str, Any], rules: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert channels_of(Labels(rules), **given) == expected


LABELS = Labels(
    rules=("Sanctions [EU]", "Banks"),
    severity=Severity.HIGH,
    entities=("Syria", "SY"),
    tags=("world", "wire"),
    categories=("Politics",),
    language="en-GB",
    country="GB",
    feed="Example Wire",
)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, True),
        ({"rule": "banks"}, True),
        ({"rule": "Sanctions*"}, True),
        ({"rule": "Sanctions [EU]"}, True),  # brackets are part of this name, not a class
        ({"rule": "Bank?"}, True),
        ({"rule": "Sport*"}, False),
        ({"rule": ["Sport*", "Banks"]}, True),
        ({"severity": "high"}, True),
        ({"severity": "critical"}, False),
        ({"severity": ["critical", "high"]}, True),
        ({"severity": ">=normal"}, True),
        ({"severity": ">= critical"}, False),
        ({"severity": ">=urgent"}, False),
        ({"entity": "Syria"}, True),
        ({"entity": "sy"}, True),
        ({"entity": "Iran"}, False),
        ({"entities": ["Iran", "Syria"]}, True),
        ({"tag": "world"}, True),
        ({"tags": ["sport"]}, False),
        ({"category": "politics"}, True),
        ({"language": "en"}, True),
        ({"language": "fr"}, False),
        ({"country": "gb"}, True),
        ({"feed": "*wire"}, True),
        ({"severity": "high", "tag": "world"}, True),
        ({"severity": "high", "tag": "sport"}, False),
    ],
)
def test_conditions(when: dict[str, Any], expected: bool) -> None:
    found = channels_of(LABELS, routes=[{"when": when, "to": ["syria"]}])
    assert ("syria" in found) is expected


def test_no_label_never_matches_a_condition() -> None:
    for name in ("language", "country", "feed", "entity", "tag", "category"):
        assert channels_of(Labels(("R",)), routes=[{"when": {name: "*"}, "to": ["syria"]}]) == (
            "news",
        )


def test_mentions_of_channel_and_routes_are_united() -> None:
    given = settings(
        channels={"news": {"mention": ["U1"]}, "pager": {}},
        routes=[
            {"to": ["news"], "mention": ["S2", "U1"], "continue": True},
            {"to": ["news", "pager"], "mention": ["U3"]},
        ],
    )
    news, pager = Router(given).route(Labels(("R",)))
    assert news.mention == ("U1", "S2", "U3")
    assert pager.mention == ("U3",)
    assert news.via == "route 1; route 2"
    assert news.routes == (0, 1)


def test_via_says_what_sent_it() -> None:
    given = settings(rules={"Syria": {"to": ["syria"]}})
    assert [each.via for each in Router(given).route(Labels(("Syria", "Banks")))] == [
        "rule 'Syria' to: syria",
        "default channel",
    ]
