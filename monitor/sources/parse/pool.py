"""Parsing in worker processes with a limit on time and memory.

Some small documents freeze a parser for minutes with the interpreter's lock held; only a process
that is killed ends that. What is limited is the worker's own CPU time, which is the same on a busy
machine; a wait several times as long ends what doesn't even use that. A worker is started at its
first job, replaced when it is killed or dies, and retired after ``_JOBS`` documents. It lives on
its pipes: when this process ends, however, the worker reads the end of its input and ends too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import signal
import struct
import sys
from asyncio.subprocess import PIPE
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from monitor.errors import ParseError
from monitor.values import ParsedFeed

if TYPE_CHECKING:
    from monitor.sources.extract import Article

log = logging.getLogger(__name__)

_JOBS = 5_000  # documents a worker reads before a fresh one takes over
_START = 30.0  # seconds a worker may take to start on a busy machine
_PAGE = 4.0  # seconds for the article of a page; 600 kB take 0.3, loading trafilatura 0.5
# Descriptors that must be free before a worker is started: it takes eight, and uvloop (0.23) keeps
# those of a start that failed half-way, and hangs on them when the loop is closed.
_DESCRIPTORS = 12
_ROOM = 5.0  # seconds to wait for them: they come free as other polls end
_WAIT = 4.0  # times the CPU time of a job, until an answer is no longer waited for
# Seconds more: where this process stood still meanwhile, the answer may lie in the pipe unread.
_GRACE = 0.5
_LENGTH = struct.Struct("!Q")
# The worker gets the parent's import path: it must find this package however it was started.
_PROGRAM = (
    "import sys; sys.path[:] = {path!r}; from monitor.sources.parse.worker import main; main()"
)


class _Died(Exception):
    """The worker ended or was killed before it answered."""


class ParsePool:
    """Parses documents in ``workers`` processes; one bad document harms no other.

    ``limit`` is the CPU time one document may take, ``memory_bytes`` the address space of a worker,
    ``max_entries`` how many of a document are kept (the newest; None: all of them);
    ``clean`` takes the furniture off entries that carry a whole page.
    Use from one event loop; ``aclose`` ends the processes.
    """

    def __init__(
        self,
        workers: int = 1,
        limit: timedelta = timedelta(seconds=2),
        memory_bytes: int = 1 << 30,
        max_entries: int | None = 1_000,
        clean: bool = True,
    ) -> None:
        self._limit = limit.total_seconds()
        self._memory = memory_bytes
        self._size = max(1, workers)
        self._max_entries = max_entries
        self._clean = clean
        self._idle: asyncio.LifoQueue[_Worker] | None = None
        self._all: list[_Worker] = []
        self._closed = False

    async def parse(
        self,
        body: bytes,
        *,
        content_type: str | None = None,
        url: str | None = None,
        known: frozenset[bytes] = frozenset(),
    ) -> ParsedFeed:
        """Return the feed in ``body`` (see ``monitor.sources.parse.parse``).

        Raises ``ParseError``, also when the worker had to be killed (reason ``parser_timeout``),
        died (``parser_died``), or could not be started (``parser_unstarted``).
        """
        options = {
            "content_type": content_type,
            "url": url,
            "known": known,
            "max_entries": self._max_entries,
            "clean": self._clean,
        }
        result = await self._call("parse", body, options, self._limit)
        if not isinstance(result, ParsedFeed):
            raise TypeError(f"the worker answered {type(result).__name__}")
        return result

    async def extract(
        self, body: bytes, *, content_type: str | None = None, url: str | None = None
    ) -> Article:
        """Return the article in a page (see ``monitor.sources.extract.extract``).

        A page may take ``_PAGE`` seconds; raises ``ParseError`` as ``parse`` does.
        """
        article: Article = await self._call(
            "extract", body, {"content_type": content_type, "url": url}, _PAGE
        )
        return article

    async def _call(self, job: str, body: bytes, options: dict[str, Any], limit: float) -> Any:
        """Run one of the worker's jobs (see ``monitor.sources.parse.worker``) on ``body``."""
        if self._closed:
            raise RuntimeError("the pool is closed")
        worker = await self._worker()
        try:
            kind, value = await worker.run((job, body, options, limit))
        finally:
            if not self._closed:
                self._queue().put_nowait(worker)
        if kind == "error":
            raise ParseError(*value)
        return value

    async def aclose(self) -> None:
        """End the processes; jobs under way fail."""
        self._closed = True
        for worker in self._all:
            await worker.stop()

    def _queue(self) -> asyncio.LifoQueue[_Worker]:
        if self._idle is None:
            self._idle = asyncio.LifoQueue()
        return self._idle

    async def _worker(self) -> _Worker:
        queue = self._queue()
        if queue.empty() and len(self._all) < self._size:
            worker = _Worker(self._memory)
            self._all.append(worker)
            return worker
        return await queue.get()


class _Worker:
    """One process and its pipes; starts when first asked, again after it was killed."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._process: asyncio.SubprocessTransport | None = None
        self._pipes = _Pipes()
        self._jobs = 0

    @property
    def pid(self) -> int | None:
        """The process's id, while there is one."""
        return None if self._process is None else self._process.get_pid()

    async def run(self, request: tuple[str, bytes, dict[str, Any], float]) -> Any:
        limit = request[-1]
        if self._process is None or self._pipes.ended:
            try:
                await self._start()
            except (OSError, _Died) as error:  # of the machine's, not of the document's
                await self.stop()
                log.warning("no parse worker could be started", extra={"reason": repr(error)})
                return "error", (
                    "No parser can be started here: too few descriptors (`ulimit -n`, LimitNOFILE=)"
                    " or too little memory are left; the feed is read again later",
                    "parser_unstarted",
                )
        try:
            answer = await self._exchange(request, _WAIT * limit)
        except (TimeoutError, _Died, OSError, EOFError) as error:
            code = await self.stop()
            if isinstance(error, TimeoutError) or code == -signal.SIGPROF:
                log.warning("parse worker killed", extra={"reason": "timeout", "limit_s": limit})
                return "error", (
                    f"The document was given up after {limit:g} s of parsing; tell the publisher",
                    "parser_timeout",
                )
            log.warning("parse worker died", extra={"reason": type(error).__name__})
            return "error", (
                "The parser ran out of memory or crashed on this document; tell the publisher",
                "parser_died",
            )
        except BaseException:
            await self.stop()  # cancelled half-way: its pipes hold half a document
            raise
        self._jobs += 1
        if self._jobs >= _JOBS:
            await self.stop()
        return answer

    async def stop(self) -> int | None:
        """End the process; returns how it ended (-number for a signal)."""
        process, self._process, self._jobs = self._process, None, 0
        if process is None:
            return None
        if not self._pipes.ended:
            process.kill()
        await self._pipes.exited.wait()
        process.close()
        return process.get_returncode()

    async def _start(self) -> None:
        await self.stop()
        await _room()
        self._pipes = _Pipes()
        self._process, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: self._pipes,
            sys.executable,
            "-c",
            _PROGRAM.format(path=sys.path),
            str(self._memory),
            stdin=PIPE,
            stdout=PIPE,
            stderr=None,
            env={},  # what parses hostile bytes has no business with the token in ours
            start_new_session=True,  # Ctrl-C is for the parent, which then closes the pipes
        )
        await self._pipes.answer(_START)  # the worker says when it has loaded its parsers

    async def _exchange(
        self, request: tuple[str, bytes, dict[str, Any], float], wait: float
    ) -> Any:
        assert self._process is not None
        stdin = cast("asyncio.WriteTransport", self._process.get_pipe_transport(0))
        job, body, options, limit = request
        about = pickle.dumps((job, options, limit), protocol=5)
        stdin.write(b"".join((_LENGTH.pack(len(about)), about, _LENGTH.pack(len(body)))))
        # The body by itself: pickled, or joined to the rest, there would be one copy more of what
        # may be 20 MiB.
        stdin.write(body)
        return pickle.loads(await self._pipes.answer(wait))


class _Pipes(asyncio.SubprocessProtocol):
    """What comes from a worker, put together to answers."""

    def __init__(self) -> None:
        self.exited = asyncio.Event()
        self.ended = False  # whether nothing more comes
        self._parts: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[bytes] | None = None

    async def answer(self, wait: float) -> bytes:
        """Return the next answer; raises ``TimeoutError`` after ``wait`` seconds, ``_Died``."""
        if self.ended:
            raise _Died
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bytes] = loop.create_future()
        self._waiter = waiter
        timer = loop.call_later(wait, self._overdue, waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _overdue(self, waiter: asyncio.Future[bytes]) -> None:
        asyncio.get_running_loop().call_later(_GRACE, _give_up, waiter)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size < _LENGTH.size or self._waiter is None:
            return
        if len(self._parts[0]) < _LENGTH.size:
            self._parts = [b"".join(self._parts)]
        end = _LENGTH.size + _LENGTH.unpack_from(self._parts[0])[0]
        if self._size >= end and not self._waiter.done():
            whole = b"".join(self._parts)
            self._parts, self._size = [], 0
            self._waiter.set_result(whole[_LENGTH.size : end])

    def pipe_connection_lost(self, fd: int, error: Exception | None) -> None:
        self._end()

    def process_exited(self) -> None:
        self._end()
        self.exited.set()

    def _end(self) -> None:
        self.ended = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(_Died())


def _give_up(waiter: asyncio.Future[bytes]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


async def _room() -> None:
    """Wait until a worker's descriptors are free; raises ``OSError`` where they don't come free."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + _ROOM
    while True:
        try:
            with ExitStack() as held:
                for _ in range(_DESCRIPTORS):
                    held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
            return
        except OSError:
            if loop.time() > ends:
                raise
        await asyncio.sleep(0.05)
