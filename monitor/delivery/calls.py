"""One row's call: smaller forms when the channel refuses the larger, a new message when the root is
gone. Never raises for what a channel does."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace

from monitor.clock import Clock
from monitor.codec import alert_from_json
from monitor.delivery.lanes import Lane
from monitor.delivery.sender import (
    FORMS,
    MessageRefused,
    NotReached,
    Outgoing,
    Result,
    RootGone,
    Sender,
    Sent,
    Unclear,
)
from monitor.delivery.threads import AS_ROOT, Post
from monitor.failpoints import failpoint
from monitor.store.port import OutboxRow

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Called:
    """What came of a row's call; ``note`` is kept with the row when it was sent."""

    result: Result
    note: str = ""


async def call(lane: Lane, sender: Sender, row: OutboxRow, post: Post, clock: Clock) -> Called:
    """Make one row's call, at the lane's pace."""
    message, note, refused = post.message, post.note, ""
    result: Result = MessageRefused("not tried")
    for form in FORMS:
        if refused:
            await _rest(lane, clock)
        lane.bucket.take(clock.monotonic())
        result = await _try(sender, replace(message, form=form))
        failpoint("after_post")
        if isinstance(result, RootGone) and message.root is not None:
            # Someone deleted the message: the update becomes a message of its own.
            message, note = Outgoing(row.id, alert_from_json(row.payload)), AS_ROOT
            await _rest(lane, clock)
            result = await _try(sender, replace(message, form=form))
        if not isinstance(result, MessageRefused):
            break
        refused = result.reason
        about = {"delivery": row.id, "form": form, "reason": result.reason}
        log.warning("message refused", extra=about)
    # The bucket is paid when the answer is there: measured at the channel, two messages are never
    # closer than the interval, whatever the network does.
    lane.bucket.restart(clock.monotonic())
    if message.edit and isinstance(result, Unclear):
        return Called(NotReached(result.reason))  # an edit made twice is one edit
    if not isinstance(result, Sent):
        return Called(result)
    if post.edit is not None and note == post.note:
        await _try(sender, post.edit)  # cosmetic: the next edit makes up for a failed one
    return Called(result, note or (f"sent as {form}: {refused}" if refused else ""))


async def _rest(lane: Lane, clock: Clock) -> None:
    """Wait for the lane's next turn within one row's delivery."""
    lane.bucket.restart(clock.monotonic())
    wait = lane.bucket.ready_at(clock.monotonic()) - clock.monotonic()
    if wait > 0:
        await asyncio.sleep(wait)


async def _try(sender: Sender, message: Outgoing) -> Result:
    """Make one call; a fault of ours in a sender is an unclear outcome, and stops no channel."""
    try:
        return await sender.send(message)
    except Exception as error:
        log.exception("sender failed unexpectedly", extra={"delivery": message.id})
        return Unclear(f"{type(error).__name__}: {error}"[:200])
