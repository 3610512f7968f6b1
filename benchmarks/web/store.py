"""A store and a configuration of the size that the status page must bear: made once, then kept.

Words are drawn so that few are common and most are rare, as in news; a few topics come in known
shares, so that rules on them have known answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from monitor.codec import alert_to_json
from monitor.config.load import feeds, load
from monitor.rules.text import search_tokens
from monitor.store import open_store
from monitor.store.port import (
    EntryMatch,
    FeedState,
    OutboxRow,
    PollCommit,
    Store,
    StoredEntry,
    StoryRow,
    Validators,
)
from monitor.values import (
    Alert,
    Entry,
    Feed,
    Hit,
    Mark,
    MarkedText,
    Match,
    Receipt,
    Severity,
    Story,
    StoryKind,
    Summary,
)

SPAN = timedelta(days=30)
RECENT = 0.3  # of the stories came in the last 30 days: 300,000 of a million
WORDS = 30_000
BATCH = 400  # entries in one commit
# Share of the texts that have each: the answers that the lab must find.
TOPICS = {
    "arms deals": 0.002,
    "Syria": 0.02,
    "sanctions": 0.03,
    "pipeline": 0.005,
    "ceasefire": 0.01,
}
RULES = 200
_SYLLABLES = [
    "ba",
    "ke",
    "lo",
    "mi",
    "nu",
    "ra",
    "se",
    "ti",
    "vo",
    "za",
    "dre",
    "fli",
    "gra",
    "klo",
    "pre",
    "sta",
    "tru",
    "ver",
    "wan",
    "xen",
]


def configuration(folder: Path, number_of_feeds: int, state: str) -> Path:
    """Write a configuration with so many feeds and 200 rules; returns its path."""
    rules = [
        {"name": f"Rule {n}", "all": [word_of(500 + 7 * n), [word_of(900 + n), word_of(90 + n)]]}
        for n in range(RULES - 1)
    ]
    rules.append({"name": "Arms", "any": ["arms deals"], "entities": ["Syria"]})
    config = {
        "state": state,
        "defaults": {"channel": "news"},
        "channels": {"news": {"console": True}},
        "feeds": [
            {"url": f"https://h{n % 400}.example/{n}.xml", "name": f"Feed {n}"}
            for n in range(number_of_feeds)
        ],
        "rules": rules,
        "web": {"listen": "127.0.0.1:0"},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
    return path


def word_of(rank: int) -> str:
    """Return the word of a rank, 0 being the most common."""
    out, rest = [], rank + 1
    while rest:
        rest, place = divmod(rest, len(_SYLLABLES))
        out.append(_SYLLABLES[place])
    return "".join(out)


async def fill(config: Path, stories: int, now: datetime, *, progress: bool = True) -> int:
    """Fill the store of ``config`` with so many stories, the newest ones just before ``now``, if it
    has none yet; returns how many are of the last 30 days."""
    loaded = load(config, os.environ)
    configured = feeds(loaded)
    target = loaded.settings.state
    where = target if "://" in target else str(config.parent / target)
    store = await open_store(where, now=now, tokenize=search_tokens)
    try:
        if not await store.numbers_since(now - SPAN, limit=1):
            await _fill(store, configured, stories, now, progress=progress)
        return len(await store.numbers_since(datetime.now(UTC) - SPAN))
    finally:
        await store.close()


async def _fill(
    store: Store, configured: Sequence[Feed], stories: int, now: datetime, *, progress: bool
) -> None:
    states = list((await store.sync_feeds(configured, now - SPAN)).values())
    states = [_aged(state, number, now) for number, state in enumerate(states)]
    batch = [PollCommit(state) for state in states]
    for number, commit in enumerate(_commits(states, stories, now)):
        batch.append(commit)
        if len(batch) >= BATCH:
            await store.commit_polls(batch)
            batch = []
        if progress and number % 100_000 == 0:
            print(f"{number:,} stories", flush=True)
    await store.commit_polls(batch)


def _aged(state: FeedState, number: int, now: datetime) -> FeedState:
    failing = number % 50 == 0
    return replace(
        state,
        next_at=now + timedelta(minutes=number % 60),
        baselined_at=now - SPAN,
        last_poll_at=now - timedelta(minutes=number % 30),
        last_ok_at=now - timedelta(minutes=number % 30),
        last_new_at=now - timedelta(minutes=number % 600),
        last_status="HTTP 500" if failing else "ok: 30 entries, 1 new",
        failures=3 if failing else 0,
        entries_seen=100,
        title=f"Feed {number}",
        validators=Validators('"abc"', "Sun, 29 Nov 2026 00:00:00 GMT"),
        extra={
            "rhythm": " ".join(["12.5", "6.2", *["0.52"] * 24]),
            "polls": 300, "received": 123456, "elapsed": 0.31, "entries": 30,
            "newest": (now - timedelta(minutes=number % 600)).isoformat(),
        },
    )  # fmt: skip


def _commits(states: list[FeedState], stories: int, now: datetime) -> Iterator[PollCommit]:
    random = np.random.default_rng(7)
    weights = 1.0 / (np.arange(WORDS) + 2.7) ** 1.05
    cumulative = np.cumsum(weights / weights.sum())
    words = [word_of(rank) for rank in range(WORDS)]
    older = int(stories * (1 - RECENT))
    for number in range(stories):
        if number % 1_000 == 0:
            picks = np.searchsorted(cumulative, random.random((1_000, 160)))
            lengths = random.integers(30, 150, 1_000)
            topics = random.random((1_000, len(TOPICS)))
        row = [words[pick] for pick in picks[number % 1_000][: lengths[number % 1_000]]]
        for place, (topic, share) in enumerate(TOPICS.items()):
            if topics[number % 1_000][place] < share:
                row.insert(len(row) // 2, topic)
        if number < older:  # as old again as the recent ones take days, and older
            at = now - SPAN - SPAN * 2 * (1 - number / older)
        else:
            at = now - SPAN * (1 - (number - older) / (stories - older))
        yield _commit(states[number % len(states)], number, at, row)


def _commit(state: FeedState, number: int, at: datetime, row: list[str]) -> PollCommit:
    id_, story = f"{_stamp(at)}E{number:015}", f"S{number - number % 4:025}"
    title = " ".join(row[:9]).capitalize()
    body = " ".join(row[9:])
    summary, content = (body, "") if number % 3 else (body[:200], body)
    url = f"https://h{number % 400}.example/story/{number}"
    entry = Entry(f"tag:{number}", url, title, summary, content, published=at)
    kind: StoryKind = ("new", "none", "duplicate", "none")[number % 4]
    matched = number % 50 == 0
    rule = f"Rule {number // 50 % RULES}"
    stored = StoredEntry(
        id_, state.id, entry, at, at, story, kind, source=f"Feed {number % 100}",
        outcome="alert" if matched else "no rule matched",
    )  # fmt: skip
    matches: tuple[EntryMatch, ...] = ()
    rows: tuple[OutboxRow, ...] = ()
    if matched:
        hit = Hit(row[0], "title", 0, len(row[0]), title[: len(row[0])])
        matches = (EntryMatch(id_, Match(rule, 0.8, (hit,))),)
        quote = MarkedText(body[:160], (Mark(0, min(9, len(body))),))
        alert = Alert(
            "alert", "news", story, title, url, "Feed", at, at, Severity.HIGH, (rule,), (row[0],),
            summary=Summary("", quote), sources=("Feed", "Other"), reason="first report",
        )  # fmt: skip
        rows = (
            OutboxRow(
                id_, "news", "alert", story, number, 3, alert_to_json(alert), "sent", at, at,
                attempts=1, last_try=at, receipt=Receipt("1700000000.000100", "C0NEWS"),
            ),
        )  # fmt: skip
    stories = (StoryRow(Story(story, title, at, at, ("Feed",)), b"x" * 100),) if matched else ()
    return PollCommit(state, (stored,), (), (), matches, stories, rows)


def _stamp(at: datetime) -> str:
    """Return the first ten characters of a ULID of that time (github.com/ulid/spec)."""
    signs, value, out = "0123456789ABCDEFGHJKMNPQRSTVWXYZ", int(at.timestamp() * 1000), ""
    for _ in range(10):
        value, place = divmod(value, 32)
        out = signs[place] + out
    return out
