"""A parsed poll goes from one worker to another as it is."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.cluster.handover import from_payload, to_payload
from monitor.pipeline.polls import Polled
from monitor.sources.outcome import FetchOutcome
from monitor.store.packed import Packed
from monitor.store.port import FeedState
from monitor.values import Entry, Feed, ParsedFeed

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_state_with_packed_notes_comes_back_equal() -> None:
    notes = {"rhythm": "1 2", "polls": 3, "elapsed": 0.31, "é": [None, "x"]}
    state = FeedState(1, "k", NOW, NOW, extra=Packed.of(notes))
    parsed = ParsedFeed(entries=(Entry("id", "http://x.example/", "T", "é\0"),))
    outcome = FetchOutcome(status="ok", url="http://x.example/")
    read, told, document = from_payload(
        to_payload(Polled(Feed("k", "k", "f"), state, outcome, parsed))
    )
    assert dict(read.extra) == notes
    assert (read.id, read.key, read.next_at) == (1, "k", NOW)
    assert told.url == outcome.url
    assert document.entries == parsed.entries
