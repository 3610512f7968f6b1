"""The event loop of a long run, and how often Python looks for garbage in it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# Containers that come to life before the collector looks at the young ones, and how many such
# looks there are to one at all of them. By default that is at each 70,000th, where a poll makes
# thousands and the memory of stories is a million: a tenth of the time, 0.1 s of standstill each.
YOUNG, MIDDLE, OLD = 20_000, 20, 20


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes uvloop's event loop (half the CPU of asyncio's own for a connection), or
    None where it isn't installed: there is none for Windows and PyPy."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def collect_rarely() -> None:
    """Let this process look for garbage as seldom as a watch does."""
    gc.set_threshold(YOUNG, MIDDLE, OLD)


def run_long(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run the coroutine of a process that stays."""
    collect_rarely()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(main())


def settled() -> None:
    """Say that what is in memory now stays: the collector needn't look at it again, and what
    lies free in between goes back to the system (14 MB after loading 100,000 feeds)."""
    gc.collect()
    gc.freeze()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own
        if trim is not None:
            trim(0)
