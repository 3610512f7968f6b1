"""What one in a cluster does for all: taking hubs' calls, and delivering where nobody leads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from monitor.clock import Clock
from monitor.daemon.once import PATIENCE
from monitor.errors import StateError, UsageError
from monitor.store.postgres import Leadership, PgStore

log = logging.getLogger(__name__)

CALLS_PAUSE = 1.0  # seconds between looks whether we are the one that takes hubs' calls
LEAD_SECONDS = 1.0  # between words of a cycle that it still delivers
ONCE_PAUSE = 0.5  # seconds between looks whether another leader still delivers


async def take_calls_while(
    leads: Callable[[], bool], callback: Callable[[], AbstractAsyncContextManager[str]]
) -> None:
    """Take WebSub hubs' calls for as long as ``leads``, again and again; until cancelled."""
    told = False
    while True:
        if leads():
            try:
                async with callback() as listen:
                    log.info("taking WebSub hubs' calls", extra={"listen": listen})
                    told = False
                    while leads():  # noqa: ASYNC110 - it has no event
                        await asyncio.sleep(CALLS_PAUSE)
                log.info("hubs' calls are left to the worker that leads now")
            except (UsageError, StateError) as error:
                if not told:
                    log.warning(
                        "hubs' calls aren't taken; it is tried again, and feeds are polled",
                        extra={"reason": str(error)},
                    )
                told = True
        await asyncio.sleep(CALLS_PAUSE)


@asynccontextmanager
async def in_place_of_a_leader(
    store: PgStore, seat: Leadership, clock: Clock
) -> AsyncIterator[bool]:
    """Yield whether one cycle is to deliver: it holds the leader's seat for the block.

    Where there is a leader, messages are left to it: False, once nothing is due any more or
    patience ends. A leader that has just gone may have left something.
    """
    end = clock.monotonic() + PATIENCE
    while not await seat.hold():
        due = await store.outbox_next()
        if due is None or due > clock.now() or clock.monotonic() > end:
            log.info("messages are left to the cluster's leader")
            yield False
            return
        await asyncio.sleep(ONCE_PAUSE)
    holding = asyncio.create_task(_hold(seat), name="lead")
    try:
        yield True
    finally:
        holding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await holding


async def _hold(seat: Leadership) -> None:
    """Stay the one that delivers: a leader that says nothing is taken for dead."""
    while True:
        await asyncio.sleep(LEAD_SECONDS)
        with contextlib.suppress(StateError):  # the deliverer meets the same, and says so
            await seat.hold()
