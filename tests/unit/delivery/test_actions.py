"""What people say in Slack, read: buttons of any age, and `/watch` in any spelling."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from monitor.delivery.slack.actions import (
    OLD_BUTTON,
    USAGE,
    Add,
    Command,
    Mute,
    Pressed,
    Show,
    TryQuery,
    Wrong,
    parse_watch,
    read_press,
    why_view,
)
from monitor.delivery.slack.render import actions
from tests.fakeslack.limits import problems
from tests.unit.delivery.messages import shapes
from tests.unit.delivery.parts import story_alert
from tests.unit.delivery.test_injection import leaves


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('add "arms deals AND Syria"', Add("arms deals AND Syria", "")),
        ("add arms deals", Add("arms deals", "")),
        ('add "arms deals" #syria-desk', Add("arms deals", "syria-desk")),
        ('add "arms deals" <#C0123|syria-desk>', Add("arms deals", "C0123")),
        ("add “arms deals” #syria-desk", Add("arms deals", "syria-desk")),
        ('add "asset freeze" OR sanction*', Add('"asset freeze" OR sanction*', "")),
        ("add '\"asset freeze\" AND Russia'", Add('"asset freeze" AND Russia', "")),
        ('add "AT&amp;T"', Add("AT&T", "")),
        ("add", Wrong(USAGE)),
        ("list", Show("list")),
        (" LIST ", Show("list")),
        ("status", Show("status")),
        ("mute Arms deals with Syria 2d", Mute("Arms deals with Syria", timedelta(days=2))),
        ('mute "Arms deals" 30m', Mute("Arms deals", timedelta(minutes=30))),
        ("mute Arms deals", Mute("Arms deals", timedelta(hours=4))),
        ("mute", Wrong(USAGE)),
        ('test "coup NEAR/5 army"', TryQuery("coup NEAR/5 army")),
        ("", Wrong(USAGE)),
        ("dance", Wrong(USAGE)),
    ],
)
def test_watch_commands(text: str, expected: Command) -> None:
    assert parse_watch(text) == expected


def payload(action: dict[str, Any]) -> dict[str, Any]:
    return {"type": "block_actions", "user": {"id": "U1"}, "trigger_id": "t", "actions": [action]}


def test_every_button_we_make_is_read_back() -> None:
    block = actions(story_alert(story_id="story"), "delivery")
    read = []
    for element in block["elements"]:
        if element["type"] == "overflow":
            for option in element["options"]:
                chosen = {"action_id": element["action_id"], "selected_option": option}
                read.append(read_press(payload(chosen)))
        else:
            read.append(read_press(payload(element)))
    assert read == [
        Pressed(name, "story", "delivery", "U1", "t")
        for name in ("read", "not_relevant", "follow", "mute", "snooze", "why")
    ]


@pytest.mark.parametrize(
    "action",
    [
        {},
        {"action_id": "read"},
        {"action_id": "read", "value": "story"},
        {"action_id": "read", "value": "0|story|delivery"},
        {"action_id": "dance", "value": "1|story|delivery"},
        {"action_id": "more"},
        {"action_id": "more", "selected_option": {"value": "dance|1|a|b"}},
        {"action_id": "more", "selected_option": None},
    ],
)
def test_a_button_of_an_old_version_is_refused_in_words(action: dict[str, Any]) -> None:
    assert read_press(payload(action)) == Wrong(OLD_BUTTON)
    assert read_press({}) == Wrong(OLD_BUTTON)


@pytest.mark.parametrize("name", sorted(shapes()))
def test_the_why_modal_is_safe_and_within_limits(name: str) -> None:
    view = why_view(shapes()[name])
    assert len(view["title"]["text"]) <= 24
    assert problems({"text": "x", "blocks": view["blocks"]}) == []
    for leaf in leaves(view["blocks"]):
        assert leaf.get("type") not in ("user", "usergroup", "broadcast")
        if leaf.get("type") == "mrkdwn":
            assert leaf["text"].startswith("<!date^")
