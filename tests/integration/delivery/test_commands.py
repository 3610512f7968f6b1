"""`outbox list|retry|drop` and `send-test`, on a real store and against the fake Slack."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.cli.outbox import outbox
from monitor.cli.send_test import send_test
from monitor.delivery import queued
from monitor.errors import UsageError
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.store.port import OutboxRow, OutboxState
from tests.fakeslack import FakeSlackThread
from tests.unit.delivery.parts import story_alert

CONFIG = "state: ./state\nchannels: {news: {console: true}}\n"
STATES: tuple[OutboxState, ...] = ("queued", "held", "sending", "sent", "unknown", "dead")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose outbox has a row in each state, named by its story."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)

    async def fill() -> None:
        now = datetime.now(UTC)
        store = await open_store(str(tmp_path / "state"), now=now, tokenize=search_tokens)
        rows = [
            replace(
                queued(story_alert(story_id=state, title=f"Story {state}\x1b[31m"), now),
                state=state,
                error="HTTP 500" if state == "unknown" else "",
            )
            for state in STATES
        ]
        await store.enqueue(rows)
        await store.close()

    asyncio.run(fill())
    return path


def stored(config: Path) -> dict[str, OutboxRow]:
    """Return the rows by story."""

    async def read() -> dict[str, OutboxRow]:
        state = str(config.parent / "state")
        store = await open_store(state, now=datetime.now(UTC), tokenize=search_tokens)
        rows = {row.story_id: row for row in await store.outbox_rows()}
        await store.close()
        return rows

    return asyncio.run(read())


def invoke(config: Path, *words: str) -> Result:
    return CliRunner().invoke(outbox, [*words, "-c", str(config)])


def test_list_shows_what_is_open_and_no_control_characters(config: Path) -> None:
    result = invoke(config, "list")
    assert result.exit_code == 0
    assert "Story queued" in result.output
    assert "HTTP 500" in result.output
    assert "Story sent" not in result.output
    assert "\x1b" not in result.output
    assert "1 queued" in result.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {"queued", "held", "sending", "unknown", "dead"}),
        (["--all"], set(STATES)),
        (["--state", "dead"], {"dead"}),
        (["--state", "dead", "--state", "sent"], {"dead", "sent"}),
        (["--channel", "other"], set()),
        (["--all", "--limit", "1"], {"queued"}),
    ],
)
def test_list_json_is_one_document_a_line(
    config: Path, words: list[str], expected: set[str]
) -> None:
    result = invoke(config, "list", "--json", *words)
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert {row["state"] for row in rows} == expected
    assert all(row["title"].startswith("Story ") for row in rows)


def test_retry_queues_again_and_resets_what_was_tried(config: Path) -> None:
    before = stored(config)
    result = invoke(config, "retry", before["dead"].id, before["unknown"].id.lower())
    assert (result.exit_code, result.output) == (0, "2 queued\n")
    rows = stored(config)
    assert [rows[name].state for name in ("dead", "unknown")] == ["queued", "queued"]
    assert rows["unknown"].error == ""


def test_retry_by_state_leaves_others_alone(config: Path) -> None:
    assert invoke(config, "retry", "--state", "dead").exit_code == 0
    rows = stored(config)
    assert (rows["dead"].state, rows["unknown"].state) == ("queued", "unknown")


def test_what_is_being_sent_or_was_is_left_alone(config: Path) -> None:
    rows = stored(config)
    for words in (["retry", rows["sending"].id], ["drop", rows["sent"].id]):
        assert invoke(config, *words).exit_code == 1
    assert set(stored(config)) == set(STATES)


def test_drop_removes_for_good(config: Path) -> None:
    result = invoke(config, "drop", "--json", "--state", "dead")
    assert json.loads(result.output)["result"] == "dropped"
    assert set(stored(config)) == set(STATES) - {"dead"}


@pytest.mark.parametrize("words", [["retry"], ["drop"], ["retry", "NOPE"], ["drop", "NOPE"]])
def test_what_is_not_named_is_not_touched(config: Path, words: list[str]) -> None:
    result = invoke(config, *words)
    assert isinstance(result.exception, UsageError)
    assert len(stored(config)) == len(STATES)


SLACK = """\
slack: {{token: "${{TOKEN}}", api_url: "{url}"}}
channels:
  news: {{slack: "#news-watch"}}
  gone: {{slack: "#nowhere"}}
"""


def test_send_test_says_what_came_of_each_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.yaml"
    with FakeSlackThread() as slack:
        config.write_text(SLACK.format(url=slack.url))
        monkeypatch.setenv("TOKEN", slack.token)
        result = CliRunner().invoke(send_test, ["--json", "-c", str(config)])
        lines = {line["channel"]: line for line in map(json.loads, result.stdout.splitlines())}
        assert result.exit_code == 1
        assert lines["news"]["ok"] is True
        assert lines["gone"]["result"] == "channel_not_found"
        assert "invite" in lines["gone"]["hint"]
        (message,) = slack.workspace.messages("news-watch")
        assert "test" in message.text
        slack.workspace.scopes = frozenset({"chat:write"})
        slack.workspace.buckets.clear()
        again = CliRunner().invoke(send_test, ["news", "-c", str(config)])
        assert again.exit_code == 0
        assert "history can't be read" in again.output
    unknown = CliRunner().invoke(send_test, ["nope", "-c", str(config)])
    assert isinstance(unknown.exception, UsageError)
