"""Faults planted on purpose, to prove that the tests would notice them.

Each function changes the running process, never the product's code. Those that need a crash to
show are switched on in the zygote's children, which end anyway; the others by a test that puts
things back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from monitor import pipeline
from monitor.delivery import outbox, transitions
from monitor.sources.fetch import FetchOutcome
from monitor.store.port import FeedState, OutboxRow, PollCommit
from monitor.values import Feed


def seen_before_post() -> None:
    """Mark a message as sent before it is sent, as small bots do."""
    starting = transitions.starting

    def marked(row: OutboxRow, now: datetime) -> OutboxRow:
        return replace(starting(row, now), state="sent")

    outbox.__dict__["starting"] = marked


def validators_before_commit() -> None:
    """Store a feed's validators as soon as it answered, before its entries."""
    fetch = pipeline.Pipeline.fetch

    async def hasty(self: pipeline.Pipeline, feed: Feed, state: FeedState) -> pipeline.Polled:
        fetched = self.fetcher.fetch

        async def kept(*args: Any, **kwargs: Any) -> FetchOutcome:
            outcome = await fetched(*args, **kwargs)
            if outcome.status == "ok":
                early = replace(state, validators=outcome.validators)
                await self._store.commit_polls([PollCommit(early)])
            return outcome

        self.fetcher.__dict__["fetch"] = kept
        try:
            return await fetch(self, feed, state)
        finally:
            self.fetcher.__dict__.pop("fetch", None)

    pipeline.Pipeline.fetch = hasty  # type: ignore[method-assign]


def reconcile_off() -> None:
    """Send what is unclear again at once, without looking whether it arrived."""

    def again(row: OutboxRow, now: datetime, reason: str, wait: object) -> OutboxRow:
        return replace(row, state="queued", not_before=now, error=reason)

    transitions.__dict__["unclear"] = again
    outbox.__dict__["unclear"] = again


KILL_MUTANTS: dict[str, Callable[[], None]] = {
    "seen-before-post": seen_before_post,
    "validators-before-commit": validators_before_commit,
    "reconcile-off": reconcile_off,
}
