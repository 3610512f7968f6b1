"""Polls that were fetched and wait to be decided, taken a batch at a time."""

from __future__ import annotations

import asyncio

from monitor.pipeline.polls import Polled

BATCH = 50  # polls with entries decided and stored in one transaction (group commit)
BACKLOG = 128  # polls fetched and not yet decided, whose entries lie in memory
# Seconds that polls which brought nothing wait for others: most do, and what a transaction costs
# (an fsync, a round through two threads) is the same for one poll as for a hundred.
LINGER = 0.2


class Batches:
    """Holds the polls of one daemon. ``undecided`` are the keys of feeds that have one here, or
    in the batch that is being decided: they are not to be polled again."""

    def __init__(self) -> None:
        self.undecided: set[str] = set()
        self._waiting: asyncio.Queue[Polled] = asyncio.Queue()

    async def put(self, polled: Polled) -> None:
        self.undecided.add(polled.feed.key)
        await self._waiting.put(polled)

    async def take(self) -> list[Polled]:
        """Wait for the polls that are decided together, and return them: what is there, and what
        comes within ``LINGER`` as long as none has anything to tell."""
        batch = [await self._waiting.get()]
        ends = asyncio.get_running_loop().time() + LINGER
        read = batch[0].parsed is not None
        try:
            while len(batch) < (BATCH if read else BACKLOG):
                if self._waiting.empty() and read:
                    break
                async with asyncio.timeout_at(ends):
                    batch.append(await self._waiting.get())
                read = read or batch[-1].parsed is not None
        except TimeoutError:
            return batch
        except asyncio.CancelledError:
            for polled in batch:  # the end stores them
                self._waiting.put_nowait(polled)
            raise
        return batch

    def rest(self) -> list[Polled]:
        """Return all that is left, at the end."""
        left: list[Polled] = []
        while not self._waiting.empty():
            left.append(self._waiting.get_nowait())
        return left
