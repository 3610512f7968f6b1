"""How long the daemon's event loop stands still, at most, whatever feeds, rules and pages bring.

The real daemon with its status page runs here; feeds and Slack are in a process of their own. What
one turn of the loop takes is measured twice: by the clock, and as this thread's CPU time, which a
busy machine doesn't change.
"""

from __future__ import annotations

import asyncio
import gc
import time
from asyncio.events import Handle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Turns:
    """The longest turns so far, by CPU time; times in seconds."""

    count: int = 0
    wall: float = 0.0
    collection: float = 0.0  # the longest garbage collection
    longest: list[tuple[float, float, str]] = field(default_factory=list)  # (CPU, wall, what)
    resting: bool = False

    def note(self, cpu: float, wall: float, handle: Any) -> None:
        if self.resting:
            return
        self.count += 1
        self.wall = max(self.wall, wall)
        if cpu > 0.02:
            self.longest.append((cpu, wall, _what(handle)))

    def forget(self) -> None:
        """Begin anew."""
        self.count, self.wall, self.collection = 0, 0.0, 0.0
        self.longest.clear()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count nothing in this block."""
        self.resting = True
        yield

    @property
    def cpu(self) -> float:
        return max((cpu for cpu, _, _ in self.longest), default=0.0)

    def worst(self, count: int = 5) -> list[str]:
        """Return the worst turns in words."""
        longest = sorted(self.longest, reverse=True)[:count]
        return [f"{cpu * 1000:.0f} ms ({wall * 1000:.0f}) {what}" for cpu, wall, what in longest]


def _what(handle: Any) -> str:
    callback = handle._callback
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return getattr(callback, "__qualname__", repr(callback))[:100]
    names: list[str] = []
    coroutine: Any = task.get_coro()
    while coroutine is not None and (name := getattr(coroutine, "__qualname__", "")):
        names.append(name.rpartition(".")[2])
        coroutine = getattr(coroutine, "cr_await", None)
    return " > ".join(names) or task.get_name()


@contextmanager
def watched() -> Iterator[Turns]:
    """Time every turn of every loop of this process."""
    turns, run = Turns(), Handle._run
    collecting = 0.0

    def collected(phase: str, _about: object) -> None:
        nonlocal collecting
        now = time.thread_time()
        if phase == "start":
            collecting = now
        else:
            turns.collection = max(turns.collection, now - collecting)

    def timed(self: Handle) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        run(self)
        turns.note(time.thread_time() - cpu, time.perf_counter() - wall, self)

    Handle._run = timed  # type: ignore[method-assign]
    gc.callbacks.append(collected)
    try:
        yield turns
    finally:
        Handle._run = run  # type: ignore[method-assign]
        gc.callbacks.remove(collected)
