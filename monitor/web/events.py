"""Alerts as they come, to browsers: server-sent events (html.spec.whatwg.org, §9.2).

One look at the store a second serves all who watch, so that it is the same in the daemon, beside
it, and on a shared database. An event's id is our start and a number; a browser that comes back
with the last one it saw gets what it missed, or the whole list where that is not at hand any more.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from monitor.errors import StateError

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between looks at the store, while somebody watches
HEARTBEAT = 15.0  # seconds without a word after which one is sent: proxies cut silent connections
CLIENTS = 50  # who may watch at once; each holds a connection
KEPT = 200  # changes that a browser which comes back may have missed
RETRY_MS = 3_000  # after which a browser tries again


@dataclass(frozen=True, slots=True)
class Piece:
    """One article of the list: the id of its element, what tells whether it has changed (its markup
    does not: it says how long ago it was), and what writes it."""

    ident: str
    version: object
    write: Callable[[], str]


@dataclass(frozen=True, slots=True)
class _Event:
    number: int
    name: str
    text: str


class Signal:
    """Wakes all who wait; who takes ``next`` before looking misses nothing that comes after."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    def next(self) -> asyncio.Future[None]:
        """Return what is done at the next ``give``."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        return self._next

    def give(self) -> None:
        """Wake all who wait."""
        if self._next is not None:
            self._next.set_result(None)
            self._next = None


class Hub:
    """Knows what the list of alerts looked like, and tells who watches of each change.

    ``read`` returns the list as it is now, the newest first.
    """

    def __init__(self, read: Callable[[], Awaitable[Sequence[Piece]]]) -> None:
        self._read = read
        self._start = secrets.token_hex(4)
        self._number = 0
        self._shown: dict[str, object] = {}
        self._events: deque[_Event] = deque(maxlen=KEPT)
        self._looking = asyncio.Lock()
        self._changed = Signal()
        self._clients = 0
        self._watch: asyncio.Task[None] | None = None
        self._closed = False

    async def look(self) -> tuple[Sequence[Piece], str]:
        """Read the list; returns it with the id of the event that it is up to."""
        async with self._looking:
            pieces = await self._read()
            fresh = {each.ident: each.version for each in pieces}
            changed = [p for p in pieces if self._shown.get(p.ident) != fresh[p.ident]]
            for piece in reversed(changed):
                self._number += 1
                self._events.append(_Event(self._number, "alert", piece.write()))
            self._shown = fresh
            if changed:
                self._changed.give()
            return pieces, self._id(self._number)

    def close(self) -> None:
        """End all streams: the server is to stop."""
        self._closed = True
        self._changed.give()
        if self._watch is not None:
            self._watch.cancel()

    async def respond(self, request: Request) -> Response:
        """Return the stream of events for one browser."""
        if self._closed or self._clients >= CLIENTS:
            wait = {"retry-after": "30"}
            return PlainTextResponse("Too many watch already: try later.\n", 503, wait)
        last = request.headers.get("last-event-id") or request.query_params.get("last", "")
        return StreamingResponse(
            self._stream(last),
            media_type="text/event-stream",
            # nginx would gather the stream in its buffers.
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def _stream(self, last: str) -> AsyncIterator[str]:
        self._clients += 1
        try:
            if self._watch is None or self._watch.done():
                self._watch = asyncio.create_task(self._keep_looking(), name="alerts for browsers")
            yield f"retry: {RETRY_MS}\n\n"
            seen = self._seen(last)
            if seen is None:
                pieces, _ = await self.look()
                seen = self._number
                yield self._text(_Event(seen, "all", "\n".join(p.write() for p in pieces)))
            while not self._closed:
                change = self._changed.next()
                for event in [each for each in self._events if each.number > seen]:
                    seen = event.number
                    yield self._text(event)
                if not (await asyncio.wait([change], timeout=HEARTBEAT))[0]:
                    yield ":\n\n"
        finally:
            self._clients -= 1

    def _seen(self, last: str) -> int | None:
        """Return the number of the event that a browser saw last; None where it must start anew."""
        start, _, number = last.partition("-")
        if start != self._start or not number.isdecimal() or int(number) > self._number:
            return None
        oldest = self._events[0].number if self._events else self._number + 1
        return int(number) if int(number) >= oldest - 1 else None

    def _id(self, number: int) -> str:
        return f"{self._start}-{number}"

    def _text(self, event: _Event) -> str:
        data = "\n".join(f"data: {line}" for line in event.text.splitlines())
        return f"id: {self._id(event.number)}\nevent: {event.name}\n{data or 'data:'}\n\n"

    async def _keep_looking(self) -> None:
        """Look at the store as long as somebody watches."""
        failed = False
        while self._clients:
            try:
                await self.look()
                failed = False
            except StateError as error:
                if not failed:
                    log.warning("alerts can't be read", extra={"reason": str(error)})
                failed = True
            await asyncio.sleep(EVERY)
