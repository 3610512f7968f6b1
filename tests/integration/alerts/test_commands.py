"""`routes test` and `silence` as a user calls them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from monitor.cli.app import app
from monitor.errors import UsageError
from monitor.review.rehearsal import moment

CONFIG = """
state: ./state
defaults: {channel: news, timezone: Europe/Paris}
channels:
  news: {console: true, quiet_hours: {from: "22:00", to: "06:30"}}
  syria: {console: true}
rules:
  - {name: Syria, entities: [Syria], any: [arms deal], to: syria, severity: high}
  - {name: Banks, any: [bank]}
routes:
  - {name: urgent, when: {severity: high}, to: news, mention: [S0DESK]}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return str(path)


def run(*args: str, given: str = "") -> Result:
    return CliRunner().invoke(app, args, input=given)


def test_where_a_story_would_go_and_why(config: str) -> None:
    args = ["routes", "test", "-c", config, "--title", "Arms deal with Syria"]
    done = run(*args, "--at", "2026-03-28T23:00", "--json")
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report == {
        "rules": ["Syria"],
        "severity": "high",
        "entities": ["Syria", "SY"],
        "at": "2026-03-28T22:00:00Z",
        "to": [
            {
                "channel": "syria",
                "via": "rule 'Syria' to: syria",
                "mention": [],
                "when": "now",
                "until": None,
                "why": "",
            },
            {
                "channel": "news",
                "via": "route 1",
                "mention": ["S0DESK"],
                "when": "held",
                "until": "2026-03-29T04:30:00Z",
                "why": "quiet hours",
            },
        ],
        "walk": {"Syria": ["route 1 (urgent): takes it to news"]},
    }


def test_an_alert_of_a_rule_with_labels(config: str) -> None:
    args = ("routes", "test", "-c", config, "--rule", "Banks", "--at", "12:00")
    plain = run(*args)
    assert "→ news  (default channel), now" in plain.stdout
    assert "route 1 (urgent): no, severity differs" in plain.stdout
    urgent = run(*args, "--severity", "high")
    assert "→ news  (route 1), now, mentions S0DESK" in urgent.stdout


def test_a_file_of_stories(config: str, tmp_path: Path) -> None:
    stories = tmp_path / "stories.jsonl"
    stories.write_text('{"id": 7, "title": "A bank"}\n{"id": 8, "title": "Nothing"}\n{broken\n')
    done = run("routes", "test", str(stories), "-c", config, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.get("id") for line in lines] == [7, 8, None]
    assert [[to["channel"] for to in line["to"]] for line in lines[:2]] == [["news"], []]
    assert "not JSON" in lines[2]["error"]


@pytest.mark.parametrize(
    "args",
    [
        ["--rule", "Nope"],
        ["--rule", "Banks", "--severity", "urgent"],
        ["--rule", "Banks", "--at", "tomorrow"],
        [],
    ],
)
def test_usage_errors(config: str, args: list[str]) -> None:
    done = run("routes", "test", "-c", config, *args)
    assert isinstance(done.exception, UsageError)


PARIS = ZoneInfo("Europe/Paris")
MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("03:00", "2026-03-02T02:00:00+00:00"),
        ("sat 03:00", "2026-03-07T02:00:00+00:00"),
        ("Monday 3:00", "2026-03-02T02:00:00+00:00"),
        ("2026-12-25T03:00", "2026-12-25T02:00:00+00:00"),
        ("2026-12-25 03:00Z", "2026-12-25T03:00:00+00:00"),
    ],
)
def test_moment(text: str, expected: str) -> None:
    assert moment(text, PARIS, MONDAY) == datetime.fromisoformat(expected)


def test_a_silence_from_beginning_to_end(config: str) -> None:
    added = run(
        "silence", "add", "rule=Banks", "source=A", "source=B", "-c", config, "--for", "4h",
        "--by", "ann", "--comment", "noise", "--json",
    )  # fmt: skip
    assert added.exit_code == 0
    silence = json.loads(added.stdout)
    assert silence["when"] == {"rule": ["Banks"], "source": ["A", "B"]}
    assert (silence["by"], silence["comment"], silence["active"]) == ("ann", "noise", True)
    listed = run("silence", "list", "-c", config)
    assert "rule=Banks, source=A|B" in listed.stdout
    assert run("silence", "expire", silence["id"][-6:], "-c", config).exit_code == 0
    assert "No silence is in force" in run("silence", "list", "-c", config).stdout
    over = run("silence", "list", "--all", "-c", config, "--json")
    assert json.loads(over.stdout)["active"] is False
    again = run("silence", "expire", silence["id"], "-c", config)
    assert isinstance(again.exception, UsageError)


@pytest.mark.parametrize("matcher", ["Banks", "colour=red", "rule="])
def test_a_matcher_must_name_a_label(config: str, matcher: str) -> None:
    done = run("silence", "add", matcher, "-c", config, "--for", "1h")
    assert isinstance(done.exception, UsageError)
