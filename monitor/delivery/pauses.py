"""Pauses that channels asked for, remembered over a restart."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from monitor.clock import Clock
from monitor.delivery.lanes import Lane
from monitor.store.port import Store

log = logging.getLogger(__name__)

BLOB = "delivery/pauses"


class Pauses:
    """Lets lanes rest. Going on during a Retry-After can get an app disabled."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def pause(self, lane: Lane, seconds: float, lanes: Collection[Lane]) -> None:
        """Let ``lane`` rest for ``seconds``; ``lanes`` are all there are."""
        now, mono = self._clock.now(), self._clock.monotonic()
        lane.block("paused", mono + seconds, f"rate limited for {seconds:g} s")
        log.info("channel paused", extra={"lane": lane.key, "seconds": seconds})
        pauses = {
            each.key: [(now + timedelta(seconds=left)).isoformat(), left]
            for each in lanes
            if each.blocked == "paused" and (left := each.blocked_until - mono) > 0
        }
        await self._store.put_blobs({BLOB: json.dumps(pauses).encode()})

    async def restore(self, lanes: Collection[Lane]) -> None:
        """Take up the pauses that an earlier process was asked for."""
        blob = await self._store.blob(BLOB)
        by_key = {lane.key: lane for lane in lanes}
        for key, (until, seconds) in (json.loads(blob) if blob else {}).items():
            left = (datetime.fromisoformat(until) - self._clock.now()).total_seconds()
            if key in by_key and left > 0:
                # Never longer than was asked for, whatever the wall clock did meanwhile.
                until_mono = self._clock.monotonic() + min(left, seconds)
                by_key[key].block("paused", until_mono, "rate limited")
