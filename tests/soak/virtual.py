"""Virtual time: an event loop whose clock jumps to the next timer whenever nothing else can happen.

Sockets, files and processes stay real. Time stands still while any of them may still have something
to say: while a descriptor is readable, and while a process works for us. Then it jumps. A month of
mostly waiting takes as long as its work does. What would be given to a thread is done at once: it
takes no time either way, and switching threads would take most of the real one.

What else tells the time is patched by nobody: timers, timeouts and APScheduler's rounds count on
the loop, everything else asks the ``Clock`` that it was given.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
BUSY_WAIT = 0.05  # real seconds at a time that processes are waited for
STUCK = 60.0  # real seconds after which waiting for them is given up


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop over virtual time.

    ``jumps`` counts how often time jumped. Time stands still during what is awaited through
    ``outside``: the work of other processes and threads.
    """

    def __init__(self) -> None:
        self._seconds = 1_000_000.0
        self._outside = 0
        self.jumps = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._seconds

    def jump(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self._seconds += seconds
        self.jumps += 1

    @property
    def busy(self) -> bool:
        """Whether a process works for us."""
        return self._outside > 0

    def outside(self, work: Awaitable[T]) -> Coroutine[Any, Any, T]:
        """Return ``work``, during which time stands still."""

        async def wait() -> T:
            self._outside += 1
            try:
                return await work
            finally:
                self._outside -= 1

        return wait()

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to who awaits the future
            future.set_exception(error)
        return future


class _JumpingSelector(selectors.DefaultSelector):
    """Looks at the descriptors for real, and lets the loop's time pass instead of waiting."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        waited = 0.0
        while self._loop.busy or timeout is None:
            if ready := super().select(BUSY_WAIT):
                return ready
            waited += BUSY_WAIT
            if waited > STUCK:
                raise RuntimeError("nothing happens: a process doesn't come back")
        self._loop.jump(timeout)
        return []


class VirtualClock:
    """The ``Clock`` of a virtual loop: its time, plus whatever somebody set the wall clock by."""

    def __init__(self, loop: VirtualLoop, start: datetime) -> None:
        self._loop = loop
        self._began = loop.time()
        self._start = start
        self.error = timedelta()

    def now(self) -> datetime:
        """Return the wall clock, right or wrong."""
        return self.true() + self.error

    def true(self) -> datetime:
        """Return the time as it is."""
        return self._start + timedelta(seconds=self._loop.time() - self._began)

    def monotonic(self) -> float:
        return self._loop.time()

    def set_by(self, step: timedelta) -> None:
        """Set the wall clock forward or back."""
        self.error += step


def counted(work: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Wrap a coroutine function whose work is done by a process of its own."""

    @functools.wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        loop = asyncio.get_running_loop()
        made = work(*args, **kwargs)
        return loop.outside(made) if isinstance(loop, VirtualLoop) else made

    return run


def run(main: Callable[[VirtualClock], Coroutine[Any, Any, T]], start: datetime) -> T:
    """Run ``main`` in a virtual loop whose clock begins at ``start`` (UTC)."""
    assert start.tzinfo is UTC
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(main(VirtualClock(loop, start)))
