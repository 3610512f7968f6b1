"""Deciding about what workers have read, in the order in which it came.

A document waits in the store until somebody's turn comes. One that the store refuses is found by
deciding one by one, and left out: it must not keep the others from being decided.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from monitor.cluster.handover import from_payload
from monitor.pipeline.polls import Polled
from monitor.store.postgres import PgStore, Refused, Turn
from monitor.values import Feed

log = logging.getLogger(__name__)


class Inbox:
    """The documents that wait to be decided about.

    Args:
        together: how many are decided in one turn.
        feeds: the feeds in force, by key.
        catch_up: brings the memory in line with the store, once the turn is ours.
        decide: decides about polls and stores what comes of it.
        forget: is told that what is in memory was decided and not stored.
    """

    def __init__(
        self,
        store: PgStore,
        together: int,
        feeds: Callable[[], Mapping[str, Feed]],
        catch_up: Callable[[Turn], Awaitable[None]],
        decide: Callable[[Sequence[Polled]], Awaitable[int]],
        forget: Callable[[], None],
    ) -> None:
        self._store = store
        self._together = together
        self._feeds = feeds
        self._catch_up = catch_up
        self._decide = decide
        self._forget = forget
        self._one_by_one = 0  # how many to decide about singly: one of them is refused

    async def empty(self, goes_on: Callable[[], bool]) -> None:
        """Decide until nothing is left, for as long as ``goes_on``.

        Raises:
            StateError: the store can't be used.
        """
        while goes_on():
            async with self._store.turn() as turn:
                await self._catch_up(turn)
                most = 1 if self._one_by_one else self._together
                waiting = await self._store.inbox_take(most)
                if not waiting:
                    return
                try:
                    if batch := self._readable([payload for _, payload in waiting]):
                        await self._decide(batch)
                except Refused as error:
                    self._forget()
                    self._one_by_one = len(waiting)
                    if len(waiting) > 1:
                        continue
                    log.error("a poll can't be stored; left out", extra={"reason": str(error)})
                self._one_by_one = max(0, self._one_by_one - 1)
                await self._store.inbox_remove([number for number, _ in waiting])

    def _readable(self, payloads: Sequence[bytes]) -> list[Polled]:
        batch = []
        for payload in payloads:
            try:
                state, outcome, parsed = from_payload(payload)
            except ValueError as error:
                # Another version wrote it. Its feed wasn't stored as read and is polled again.
                log.warning("inbox: unreadable, left to the next poll", extra={"why": str(error)})
                continue
            if (feed := self._feeds().get(state.key)) is not None:
                batch.append(Polled(feed, state, outcome, parsed))
        return batch
