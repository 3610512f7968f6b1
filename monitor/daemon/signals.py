"""What the daemon's process is told by signals: end, end at once, look at the configuration."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable

log = logging.getLogger(__name__)

# Seconds within which a second signal is the first one arriving twice: make, a shell or a service
# manager passes on what the whole process group was sent already.
ECHO = 0.5


def handle(stop: Callable[[], None], hangup: Callable[[], None]) -> None:
    """Call ``stop`` at SIGTERM or SIGINT and ``hangup`` at SIGHUP; end at once where either of the
    first two comes again later. Needs a running event loop."""
    loop = asyncio.get_running_loop()
    first: float | None = None

    def end(number: int) -> None:
        nonlocal first
        now = loop.time()
        if first is None:
            first = now
            stop()
        elif now - first > ECHO:
            log.warning("ending at once: what was under way is taken up at the next start")
            logging.shutdown()
            os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    loop.add_signal_handler(signal.SIGHUP, hangup)
