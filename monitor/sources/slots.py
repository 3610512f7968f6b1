"""Who may fetch now: limits for the whole program and for each host.

A feed that hangs must hold nothing but itself. So a slot is held while a fetch is brisk; a fetch
that takes longer than ``hold`` seconds is moved aside and its slot goes to the next one, up to a
number of such stalled fetches (in all, and for one host, which then waits for its own).

Keeps no schedule: when a feed is due is decided in ``monitor.sources.schedule``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial


@dataclass(frozen=True, slots=True)
class SlotLimits:
    """How many fetches may run at a time.

    ``total`` and ``per_host`` count brisk ones, ``stalled`` and ``stalled_per_host`` those that
    have taken longer than ``hold`` seconds. A host is sent ``burst`` requests at once and then
    ``per_second`` (in requests), so that ten thousand feeds of one host don't fall upon it.
    """

    total: int = 64
    per_host: int = 2
    hold: float = 2.0
    near_hold: float = 0.25
    stalled: int = 512
    stalled_per_host: int = 32
    burst: int = 20
    per_second: float = 10.0


@dataclass(slots=True)
class _Host:
    running: asyncio.Semaphore
    users: int = 0
    stalled: int = 0
    credit: float = 0.0
    credited_at: float = 0.0


@dataclass(slots=True)
class _Lease:
    host: _Host
    hold: float
    stalled: bool = False
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class _Slot:
    """One wait for a slot, and the slot. A class: ``asynccontextmanager`` takes three times as
    long, at each poll."""

    __slots__ = ("_host", "_lease", "_near", "_slots")

    def __init__(self, slots: Slots, host: str, near: bool) -> None:
        self._slots = slots
        self._host = host
        self._near = near
        self._lease: _Lease | None = None

    async def __aenter__(self) -> Callable[[], bool]:
        lease = self._lease = await self._slots.take(self._host, self._near)
        return partial(self._slots.others_wait, lease.host)

    async def __aexit__(self, *_: object) -> None:
        if self._lease is not None:
            self._slots.give_back(self._lease)


class Slots:
    """Hands out slots. One per event loop; waiting is first come, first served."""

    def __init__(self, limits: SlotLimits) -> None:
        self._limits = limits
        self._running = asyncio.Semaphore(limits.total)
        self._hosts: dict[str, _Host] = {}
        self._stalled = 0

    def slot(self, host: str, *, near: bool = False) -> _Slot:
        """Return what waits for a slot for ``host`` and holds it for an ``async with`` block.

        That yields a function that tells whether others wait for the same host at the moment.
        """
        return _Slot(self, host, near)

    async def take(self, host: str, near: bool) -> _Lease:
        """Wait for a slot; it is to be given back."""
        limits = self._limits
        entry = self._hosts.get(host)
        if entry is None:
            entry = self._hosts[host] = _Host(
                asyncio.Semaphore(limits.per_host),
                credit=float(limits.burst),
                credited_at=asyncio.get_running_loop().time(),
            )
            self._forget_idle()
        entry.users += 1
        try:
            await entry.running.acquire()
            try:
                if not near:
                    await self._spacing(entry)
                await self._running.acquire()
            except BaseException:
                entry.running.release()
                raise
        except BaseException:
            entry.users -= 1
            raise
        lease = _Lease(entry, min(limits.hold, limits.near_hold) if near else limits.hold)
        self._arm(lease)
        return lease

    def others_wait(self, host: _Host) -> bool:
        """Tell whether others wait for ``host``."""
        return host.users > self._limits.per_host + host.stalled

    async def _spacing(self, host: _Host) -> None:
        """Wait until the host's token bucket holds a token, and take it."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        gained = (now - host.credited_at) * self._limits.per_second
        host.credit = min(host.credit + gained, float(self._limits.burst)) - 1
        host.credited_at = now
        if host.credit < 0:
            await asyncio.sleep(-host.credit / self._limits.per_second)

    def _arm(self, lease: _Lease) -> None:
        loop = asyncio.get_running_loop()
        lease.timer = loop.call_later(lease.hold, self._move_aside, lease)

    def _move_aside(self, lease: _Lease) -> None:
        full = self._stalled >= self._limits.stalled
        if full or lease.host.stalled >= self._limits.stalled_per_host:
            self._arm(lease)
            return
        lease.stalled = True
        lease.timer = None
        self._stalled += 1
        lease.host.stalled += 1
        self._release(lease)

    def give_back(self, lease: _Lease) -> None:
        """Take a slot back."""
        if lease.timer is not None:
            lease.timer.cancel()
        if lease.stalled:
            self._stalled -= 1
            lease.host.stalled -= 1
        else:
            self._release(lease)
        lease.host.users -= 1

    def _release(self, lease: _Lease) -> None:
        lease.host.running.release()
        self._running.release()

    def _forget_idle(self) -> None:
        """Drop hosts without users whose bucket is full again, when many have gathered."""
        if len(self._hosts) < 4096 or len(self._hosts) & 1023:
            return
        refilled = asyncio.get_running_loop().time() - self._limits.burst / self._limits.per_second
        idle = [
            name
            for name, host in self._hosts.items()
            if not host.users and host.credited_at < refilled
        ]
        for name in idle:
            del self._hosts[name]
