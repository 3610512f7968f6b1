"""`stats` as a user calls it, over a store with alerts, entries and feedback."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.alerts.rows import outbox_row
from monitor.cli.app import app
from monitor.daemon.reactions import FEEDBACK_BLOB
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.store.port import EntryMatch, PollCommit, StoredEntry, StoryRow
from monitor.values import Alert, Entry, Feed, Match, Receipt, Story

URL = "https://example.org/feed"
CONFIG = f"""
state: ./state
defaults: {{channel: news}}
channels:
  news: {{console: true}}
feeds: ["{URL}"]
rules:
  - {{name: Arms, any: [arms deal]}}
  - {{name: Idle, any: [opera]}}
"""
# story, title, what was said of its alert
STORIES = [
    ("s1", "Arms deal in a new video game", "not_relevant"),
    ("s2", "Arms deals: the video games of March", "not_relevant"),
    ("s3", "Arms deal with Syria", "follow"),
    ("s4", "Another video game, another arms deal", None),
]
NOW = datetime.now(UTC) - timedelta(hours=1)
MINUTE = timedelta(minutes=1)


async def _fill(folder: Path, feedback: bool) -> None:
    store = await open_store(folder, now=NOW, tokenize=search_tokens)
    state = (await store.sync_feeds([Feed(URL, URL, "Wire")], NOW))[URL]
    entries, matches, rows, said = [], [], [], {}
    # The third story has a second entry: what clustering spared the channel.
    for number, (story, title, word) in enumerate([*STORIES, ("s3", "Arms deal: reaction", None)]):
        at = NOW + number * MINUTE
        id_ = f"E{number}"
        entry = Entry(id_, f"https://example.org/{number}", title)
        entries.append(StoredEntry(id_, state.id, entry, at, at - 5 * MINUTE, story, source="Wire"))
        matches.append(EntryMatch(id_, Match("Arms")))
        if number == len(STORIES):
            continue
        alert = Alert(
            "alert", "news", story, title,
            published=at - 5 * MINUTE, first_seen=at, rules=("Arms",),
        )  # fmt: skip
        row = outbox_row(alert, at)
        receipt = Receipt(f"{number}.0", "C1")
        tried = at + timedelta(seconds=2)
        rows.append(replace(row, state="sent", first_try=tried, last_try=tried, receipt=receipt))
        if word:
            told = {"U1": [word, at.isoformat()]}
            said[row.id] = {"rules": ["Arms"], "story": story, "said": told}
    stories = [StoryRow(Story(name, title, NOW, NOW)) for name, title, _ in STORIES]
    await store.commit_polls(
        [PollCommit(state, tuple(entries), matches=tuple(matches), stories=tuple(stories))]
    )
    await store.enqueue(rows)
    await store.outbox_put(rows)
    if feedback:
        await store.put_blobs({FEEDBACK_BLOB: json.dumps(said).encode()})
    await store.close()


def run(folder: Path, *args: str, feedback: bool = True, filled: bool = True) -> Result:
    path = folder / "config.yaml"
    path.write_text(CONFIG)
    if filled:
        asyncio.run(_fill(folder / "state", feedback))
    done = CliRunner().invoke(app, ["stats", "-c", str(path), *args])
    assert done.exit_code == 0, done.output
    return done


def test_one_document_for_machines(tmp_path: Path) -> None:
    (line,) = run(tmp_path, "--json").stdout.splitlines()
    report = json.loads(line)
    assert {key: report[key] for key in ("alerts", "stories", "entries", "duplicates_saved")} == {
        "alerts": 4,
        "stories": 4,
        "entries": 5,
        "duplicates_saved": 1,
    }
    arms, idle = report["rules"]
    assert (idle["rule"], idle["alerts"], idle["precision"]) == ("Idle", 0, None)
    assert (arms["read"], arms["not_relevant"], arms["follow"]) == (0, 2, 1)
    assert (arms["accepted"], arms["rejected"], arms["precision"]) == (1, 2, 0.3333)
    assert sum(week["rejected"] for week in arms["weeks"]) == 2
    assert arms["latency"] == {
        "published_to_seen": {"count": 4, "p50": 300.0, "p90": 300.0, "p99": 300.0},
        "seen_to_posted": {"count": 4, "p50": 2.0, "p90": 2.0, "p99": 2.0},
    }
    assert arms["proposals"] == [
        {
            "none": "video game",
            "rejected": 2,
            "rejected_of": 2,
            "accepted": 0,
            "accepted_of": 1,
            "unjudged": 1,
            "unjudged_of": 1,
        }
    ]


def test_tables_for_people(tmp_path: Path) -> None:
    shown = run(tmp_path).stdout
    for said in ("33%", "video game", "2 of 2", "0 of 1", "5 min", "2.0 s", "4 alerts since"):
        assert said in shown
    assert "rules that matched nothing: 1" in shown


def test_without_feedback(tmp_path: Path) -> None:
    shown = run(tmp_path, feedback=False).stdout
    assert "Nobody has pressed a button yet" in shown
    assert "proposed for none" not in shown


@pytest.mark.parametrize("filled", [True, False])
def test_a_period_in_which_nothing_happened(tmp_path: Path, filled: bool) -> None:
    shown = run(tmp_path, "--since", "1m", filled=filled).stdout
    assert shown.startswith("No alert and no match since")
