"""Faults planted on purpose, to prove that the tests would notice them.

Each function changes the running process, never the product's code. Those that need a crash to
show are switched on in the zygote's children, which end anyway; the others by a test that puts
things back.
"""

from __future__ import annotations

import html
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from monitor.alerts import desk
from monitor.alerts.plan import Plan
from monitor.delivery import outbox, text, transitions
from monitor.delivery.slack import render
from monitor.pipeline import pipeline
from monitor.pipeline.polls import Polled
from monitor.sources import decode, fetch, guard
from monitor.store import lock
from monitor.store.port import FeedState, OutboxRow, PollCommit
from monitor.store.sqlite import entries
from monitor.stories import identity
from monitor.values import Feed


def seen_before_post() -> None:
    """Mark a message as sent before it is sent, as small bots do."""
    starting = transitions.starting

    def marked(row: OutboxRow, now: datetime) -> OutboxRow:
        return replace(starting(row, now), state="sent")

    outbox.__dict__["starting"] = marked


def validators_before_commit() -> None:
    """Store a feed's validators as soon as it answered, before its entries."""
    whole = pipeline.Pipeline.fetch

    async def hasty(self: pipeline.Pipeline, feed: Feed, state: FeedState) -> Polled:
        polled = await whole(self, feed, state)
        if polled.outcome.status == "ok":
            early = replace(state, validators=polled.outcome.validators)
            await self._store.commit_polls([PollCommit(early)])
        return polled

    pipeline.Pipeline.fetch = hasty  # type: ignore[method-assign]


def reconcile_off() -> None:
    """Send what is unclear again at once, without looking whether it arrived."""

    def again(row: OutboxRow, now: datetime, reason: str, wait: object) -> OutboxRow:
        return replace(row, state="queued", not_before=now, error=reason)

    transitions.__dict__["unclear"] = again
    outbox.__dict__["unclear"] = again


# Those that show without a crash ------------------------------------------------------------------


def no_eof_check(patch: pytest.MonkeyPatch) -> None:
    """Take what a cut body unfolds to for the whole."""

    def inflate(decoder: Any, data: bytes, bound: Any) -> bytes:
        bound.add(decoder.decompress(data))
        return bytes(decoder.unused_data)

    patch.setattr(decode, "_inflate", inflate)


def unbounded_decoder(patch: pytest.MonkeyPatch) -> None:
    """Unfold whatever comes."""

    def add(self: Any, part: bytes) -> None:
        self._parts.append(part)

    patch.setattr(decode._Bound, "add", add)


def no_redirect_vetting(patch: pytest.MonkeyPatch) -> None:
    """Look at the first address only, not at where redirects lead."""
    hop = fetch._hop

    def unvetted(asked: str, location: str, downgrade: bool) -> str:
        patch.setattr(guard.Guard, "refuse_reason", lambda self, address: None)
        return hop(asked, location, downgrade)

    patch.setattr(fetch, "_hop", unvetted)


def escape_first(patch: pytest.MonkeyPatch) -> None:
    """Resolve entities after escaping, not before."""
    escape_cut = text.escape_cut
    patch.setattr(render, "escape_cut", lambda raw, most: html.unescape(escape_cut(raw, most)))


def lock_off(patch: pytest.MonkeyPatch) -> None:
    """Share the state directory with anybody."""
    patch.setattr(lock.StateLock, "acquire", lambda self: self)


def trimmed_seen_keys(patch: pytest.MonkeyPatch) -> None:
    """Remember only what the feed shows now."""
    remember = entries._remember

    def forgetful(db: sqlite3.Connection, polls: Sequence[PollCommit]) -> None:
        remember(db, polls)
        for poll in polls:
            shown = (*poll.touched, *(each.key for each in poll.seen))
            if not shown:
                continue
            marks = ", ".join("?" * len(shown))
            db.execute(
                f"DELETE FROM seen WHERE feed_id = ? AND key NOT IN ({marks})",
                (poll.state.id, *shown),
            )

    patch.setattr(entries, "_remember", forgetful)


def guid_only_identity(patch: pytest.MonkeyPatch) -> None:
    """Let the GUID decide alone."""
    patch.setattr(
        pipeline,
        "identify",
        lambda entries, keys, known, new_id, _: identity.identify(
            entries, keys, known, new_id, "guid"
        ),
    )


def _dropped(patch: pytest.MonkeyPatch, reason: str) -> None:
    plan = desk.Desk.plan

    def dropping(self: desk.Desk, *args: Any, **kwargs: Any) -> Plan:
        made = plan(self, *args, **kwargs)
        kept = tuple(r for r in made.rows if not (r.state == "held" and reason in r.error))
        return replace(made, rows=kept)

    patch.setattr(desk.Desk, "plan", dropping)


def quiet_hours_drop(patch: pytest.MonkeyPatch) -> None:
    """Throw away what comes in quiet hours."""
    _dropped(patch, "quiet hours")


def throttle_drop(patch: pytest.MonkeyPatch) -> None:
    """Throw away what is over a limit."""
    _dropped(patch, "throttle")


STILL_MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "no-eof-check": no_eof_check,
    "unbounded-decoder": unbounded_decoder,
    "no-redirect-vetting": no_redirect_vetting,
    "escape-first": escape_first,
    "lock-off": lock_off,
    "trimmed-seen-keys": trimmed_seen_keys,
    "guid-only-identity": guid_only_identity,
    "quiet-hours-drop": quiet_hours_drop,
    "throttle-drop": throttle_drop,
}

KILL_MUTANTS: dict[str, Callable[[], None]] = {
    "seen-before-post": seen_before_post,
    "validators-before-commit": validators_before_commit,
    "reconcile-off": reconcile_off,
}
