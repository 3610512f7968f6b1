"""One cycle for `once`: which feeds it polls, all of them at once, and how long it delivers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime

from monitor.clock import Clock
from monitor.delivery.outbox import Deliverer
from monitor.pipeline.polls import Polled
from monitor.sources.holds import held_until
from monitor.store.port import FeedState

PATIENCE = 60.0  # seconds that a cycle spends on delivery
# Seconds that it waits for a channel's next turn; the next cycle delivers the rest.
TURN = 3.0


def to_poll(states: Iterable[FeedState], now: datetime, *, due_only: bool) -> list[FeedState]:
    """Return the feeds that a cycle polls, longest overdue first.

    A cycle is the user's own schedule, so only what the server asked for (Retry-After, a feed
    that is gone) holds a feed back; ``due_only`` obeys our schedule too.
    """
    chosen = [state for state in states if _pollable(state, now, due_only=due_only)]
    return sorted(chosen, key=lambda state: state.next_at)


def _pollable(state: FeedState, now: datetime, *, due_only: bool) -> bool:
    if state.disabled_reason:
        return state.next_at <= now
    held = state.next_at if due_only else held_until(state)
    return held is None or held <= now


async def poll_all(
    states: Sequence[FeedState],
    fetch: Callable[[FeedState], Awaitable[Polled]],
    commit: Callable[[Sequence[Polled]], Awaitable[int]],
    *,
    at_once: int,
    batch_size: int,
) -> int:
    """Fetch all of ``states``, ``at_once`` together, and commit what they bring in batches.

    Returns the sum of what ``commit`` returned: how many feeds failed.
    """
    limit = asyncio.Semaphore(at_once)

    async def one(state: FeedState) -> Polled:
        async with limit:
            return await fetch(state)

    batch: list[Polled] = []
    failed = 0
    for finished in asyncio.as_completed([one(state) for state in states]):
        batch.append(await finished)
        if len(batch) >= batch_size:
            failed += await commit(batch)
            batch = []
    if batch:
        failed += await commit(batch)
    return failed


async def deliver_all(deliverer: Deliverer, clock: Clock) -> None:
    """Deliver until nothing is due, or what is due has to wait longer than patience."""
    end = clock.monotonic() + PATIENCE
    while True:
        await deliverer.deliver_due()
        at = deliverer.wake_at()
        if at is None or clock.monotonic() > end:
            return
        wait = (at - clock.now()).total_seconds()
        if wait > TURN:
            return
        await asyncio.sleep(max(wait, 0.01))
