"""Names to addresses, off the event loop, in threads of its own.

The event loop's default executor has a handful of threads that everything shares: a few names
whose servers don't answer would stall every other look-up (and every other use of that pool).
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

from monitor.errors import FetchError

RESOLVER_THREADS = 32


class Resolver:
    """Looks names up with the machine's own resolver. ``close`` it when done."""

    def __init__(self, threads: int = RESOLVER_THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="dns")

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of ``host``, in the system's order of preference.

        Raises ``FetchError`` (reason ``dns``).
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(
                self._pool, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise FetchError(
                f"The name {host} can't be looked up ({why}); check its spelling, or this "
                "machine's connection",
                "dns",
            ) from error
        return list(dict.fromkeys(str(item[4][0]) for item in found))

    def close(self) -> None:
        """Free the threads; look-ups under way are abandoned."""
        self._pool.shutdown(wait=False, cancel_futures=True)
