"""Tells systemd how the watch fares: ready, reloading, stopping, alive (sd_notify(3)).

The watchdog is fed only when the work really moves: the ticks that poll and deliver must have come
round since the last feeding. A loop that turns while a stage hangs is not alive.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

log = logging.getLogger(__name__)


class Notifier:
    """Sends states to the socket that systemd named; does nothing where it named none."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """``env`` is the environment: NOTIFY_SOCKET, WATCHDOG_USEC (microseconds)."""
        address = env.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the abstract namespace (sd_notify(3)).
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = env.get("WATCHDOG_USEC", "")
        self._interval = int(usec) / 2_000_000 if usec.isdigit() else None

    def ready(self) -> None:
        self._send("READY=1\nSTATUS=watching")

    def status(self, trouble: str) -> None:
        """Show what keeps the watch from its work; "" when nothing does."""
        self._send(f"STATUS={trouble or 'watching'}")

    def reloading(self) -> None:
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1\nSTATUS=finishing what is in flight")

    async def feed_watchdog(self, progress: Callable[[], tuple[int, ...]]) -> None:
        """Feed the watchdog at half its interval, as long as every count of ``progress`` has
        grown since the last feeding. Returns at once where systemd asked for no watchdog."""
        if not self._address or self._interval is None:
            return
        before = progress()
        while True:
            await asyncio.sleep(self._interval)
            now = progress()
            if all(new > old for new, old in zip(now, before, strict=True)):
                self._send("WATCHDOG=1")
                before = now
            else:
                log.error("the work stands still: the watchdog is not fed")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        # The service manager may be gone or busy; that is no reason for the watch to fail or wait.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.connect(self._address)
            out.sendall(state.encode())
