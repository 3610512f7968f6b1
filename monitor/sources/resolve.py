"""Names to addresses, off the event loop, in threads of its own.

The event loop's default executor has a handful of threads that everything shares: a few names
whose servers don't answer would stall every other look-up (and every other use of that pool).
These threads are daemons besides, so that a look-up that hangs can't hold up the program's end.
"""

from __future__ import annotations

import asyncio
import queue
import socket
import threading

from monitor.errors import FetchError

RESOLVER_THREADS = 256  # grown on demand: as many names may hang, for 10 s and more each
REMEMBER = 60.0  # seconds; spares feeds of one host a look-up each, short enough to follow a move
_REMEMBERED = 4096  # names

_Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[list[str]]", str, int]


class Resolver:
    """Looks names up with the machine's own resolver; one per event loop. ``close`` it when done.

    ``threads`` is how many look-ups may be under way at a time.
    """

    def __init__(self, threads: int = RESOLVER_THREADS) -> None:
        self._most = threads
        self._threads = 0
        self._idle = 0
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._asked: dict[str, asyncio.Future[list[str]]] = {}
        self._known: dict[str, tuple[float, list[str]]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of ``host``, in the system's order of preference.

        Raises ``FetchError`` (reason ``dns``).
        """
        loop = asyncio.get_running_loop()
        known = self._known.get(host)
        if known is not None and loop.time() - known[0] < REMEMBER:
            return known[1]
        waiting = self._asked.get(host)
        if waiting is None:
            waiting = self._asked[host] = loop.create_future()
            waiting.add_done_callback(lambda _: self._asked.pop(host, None))
            self._submit((loop, waiting, host, port))
        try:
            # Shielded: one caller's deadline must not take the answer from the others.
            found = await asyncio.shield(waiting)
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise FetchError(
                f"The name {host} can't be looked up ({why}); check its spelling, or this "
                "machine's connection",
                "dns",
            ) from error
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[host] = (loop.time(), found)
        return found

    def close(self) -> None:
        """End the threads as they fall idle; look-ups under way are abandoned."""
        with self._lock:
            for _ in range(self._threads):
                self._jobs.put(None)

    def look_up(self, host: str, port: int) -> list[str]:
        """Ask the system, blocking; raises ``OSError`` or ``UnicodeError``."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(item[4][0]) for item in found))

    def _submit(self, job: _Job) -> None:
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._work, name="dns", daemon=True).start()
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, future, host, port = job
            try:
                found, error = self.look_up(host, port), None
            except (OSError, UnicodeError) as failure:
                found, error = [], failure
            with self._lock:
                self._idle += 1
            try:
                loop.call_soon_threadsafe(_settle, future, found, error)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more


def _settle(future: asyncio.Future[list[str]], found: list[str], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(found)
        return
    future.set_exception(error)
    future.exception()  # marked as seen: every caller may have left by now
