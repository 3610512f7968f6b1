"""kill -9 while delivering, with a Slack that fails: nothing lost, nothing twice.

The short form runs with the others; ``NEWSWATCH_LONG=1`` runs 300 messages for three seeds. Two
wrong senders are planted: the same test has to fail for them.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from monitor.codec import alert_from_json
from monitor.delivery import queued
from monitor.rules.text import search_tokens
from monitor.store import open_store
from tests.fakeslack import FakeSlack, FakeSlackThread, Faults
from tests.unit.delivery.parts import story_alert

LONG = bool(os.environ.get("NEWSWATCH_LONG"))
CHANNELS = tuple(f"desk-{n}" for n in range(8))
POINTS = {
    "outbox": (
        "before_sending",
        "after_sending_committed",
        "after_post",
        "before_receipt_committed",
    ),
    "mark_first": ("after_sending_committed", "after_post"),
    "post_first": ("after_sending_committed", "after_post", "before_receipt_committed"),
}


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run came to."""

    messages: int
    kills: int
    lost: int
    doubles: int
    lost_answers: int
    early: int
    refused: int


@contextmanager
def zygote() -> Iterator[subprocess.Popen[str]]:
    """Start the process that forks deliverers."""
    command = [sys.executable, "-m", "tests.integration.delivery.courier"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


async def fill(state: Path, messages: int) -> dict[str, str]:
    """Queue ``messages`` alerts over all channels; returns their titles by delivery id."""
    now = datetime.now(UTC)
    store = await open_store(str(state), now=now, tokenize=search_tokens)
    rows = [
        queued(
            story_alert(
                story_id=f"story-{n}", channel=CHANNELS[n % len(CHANNELS)], title=f"Story {n}"
            ),
            now,
        )
        for n in range(messages)
    ]
    await store.enqueue(rows)
    await store.close()
    return {row.id: alert_from_json(row.payload).title for row in rows}


def play(
    state: Path,
    messages: int,
    seed: int,
    protocol: str = "outbox",
    *,
    webhook: bool = False,
    faults: bool = True,
    most_kills: int = 400,
) -> Ending:
    """Deliver ``messages`` while killing the deliverer again and again."""
    random = Random(seed)
    trouble = Faults(seed, unclear=0.17 if faults else 0, limited=0.03 if faults else 0, late=1.5)
    ids = asyncio.run(fill(state, messages))
    with (
        FakeSlackThread(
            trouble, message_rate=0, history_lag=0.4, history_rate=6000, latency=0.002
        ) as slack,
        zygote() as process,
    ):
        for name in CHANNELS:
            slack.workspace.add_channel(name)
        kills = 0
        task: dict[str, object] = {
            "state": str(state),
            "url": slack.url,
            "token": slack.token,
            "webhook": slack.webhook if webhook else "",
            "channels": CHANNELS,
            "protocol": protocol,
            "seconds": 60,
        }
        while True:
            # Most kills at a named point; it must be reached a few times first, or a point early
            # in the round would never let anything be delivered.
            point = f"{random.choice(POINTS[protocol])}=kill:{random.randint(2, 14)}"
            calm = kills >= most_kills
            chosen = "" if calm or random.random() < 0.25 else point
            task |= {"failpoints": chosen, "seed": random.random()}
            killed = _cycle(process, task, None if calm or chosen else random.uniform(0.05, 0.5))
            if not killed:
                break
            kills += 1
        got = _got(slack, ids, webhook=webhook)
        return Ending(
            messages,
            kills,
            lost=len(ids.keys() - got.keys()),
            doubles=sum(got.values()) - len(got),
            lost_answers=trouble.lost_answers,
            early=len(slack.workspace.early),
            refused=len(slack.workspace.refused),
        )


def _got(slack: FakeSlack, ids: dict[str, str], *, webhook: bool) -> Counter[str]:
    """Count what arrived; a webhook's messages carry no id and are told apart by their titles."""
    messages = slack.workspace.messages()
    if not webhook:
        return Counter(message.delivery_id or "" for message in messages)
    by_title = {title: row_id for row_id, title in ids.items()}
    return Counter(by_title[message.text.split(": ")[1].split(" (")[0]] for message in messages)


def _cycle(process: subprocess.Popen[str], task: dict[str, object], after: float | None) -> bool:
    """Run one deliverer; kill it ``after`` seconds. Returns whether it died of a kill."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(task) + "\n")
    pid = int(process.stdout.readline())
    if after is not None:
        ready, _, _ = select.select([process.stdout], [], [], after)
        if not ready:
            os.kill(pid, signal.SIGKILL)
    status = int(process.stdout.readline())
    assert status in (0, -signal.SIGKILL), status
    return status != 0


@pytest.mark.parametrize("seed", [7, 11, 12] if LONG else [7])
def test_killed_again_and_again_nothing_is_lost_and_nothing_comes_twice(
    seed: int, tmp_path: Path
) -> None:
    ending = play(tmp_path, 300 if LONG else 40, seed)
    print(ending)
    assert (ending.lost, ending.doubles) == (0, 0)
    assert ending.kills >= (12 if LONG else 5)
    assert ending.lost_answers > 0
    assert ending.refused == 0
    # Only a process that dies with the 429 in its hands can forget it.
    assert ending.early <= ending.kills // 5


def test_without_kills_no_request_comes_before_retry_after_is_over(tmp_path: Path) -> None:
    ending = play(tmp_path, 40, 3, most_kills=0)
    assert (ending.lost, ending.doubles, ending.early, ending.kills) == (0, 0, 0, 0)


@pytest.mark.parametrize("protocol", ["mark_first", "post_first"])
def test_a_wrong_sender_is_caught_by_the_same_test(protocol: str, tmp_path: Path) -> None:
    ending = play(tmp_path, 30, 7, protocol)
    assert ending.lost if protocol == "mark_first" else ending.doubles
    assert ending.kills >= 3


def test_a_webhook_loses_nothing_and_doubles_little(tmp_path: Path) -> None:
    ending = play(tmp_path, 16, 7, webhook=True)
    assert ending.lost == 0
    assert ending.doubles <= ending.kills + ending.lost_answers
