"""Parsing in worker processes with a wall and a memory limit.

Some small documents freeze a parser for minutes with the interpreter's lock held; only a process
that is killed ends that. A worker is started at its first job, replaced when it is killed or dies,
and retired after ``_JOBS`` documents. It lives on its pipes: when this process ends, however, the
worker reads the end of its input and ends too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import struct
import sys
from asyncio.subprocess import PIPE, Process
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from monitor.errors import ParseError
from monitor.values import ParsedFeed

if TYPE_CHECKING:
    from monitor.sources.extract import Article

log = logging.getLogger(__name__)

_JOBS = 5_000  # documents a worker reads before a fresh one takes over
_START = 30.0  # seconds a worker may take to start on a busy machine
_PAGE_WALL = 15.0  # seconds for the article of a page; 600 kB take 0.3, loading trafilatura 0.5
_LENGTH = struct.Struct("!Q")
_BUFFER = 1 << 20  # bytes the pipe reader holds before it pauses the worker
# The worker gets the parent's import path: it must find this package however it was started.
_PROGRAM = (
    "import sys; sys.path[:] = {path!r}; from monitor.sources.parse.worker import main; main()"
)


class _Died(Exception):
    """The worker ended or was killed before it answered."""


class ParsePool:
    """Parses documents in ``workers`` processes; one bad document harms no other.

    ``wall`` is the time one document may take, ``memory_bytes`` the address space of a worker,
    ``max_entries`` how many of a document are kept (the newest; None: all of them);
    ``clean`` takes the furniture off entries that carry a whole page.
    Use from one event loop; ``aclose`` ends the processes.
    """

    def __init__(
        self,
        workers: int = 1,
        wall: timedelta = timedelta(seconds=2),
        memory_bytes: int = 1 << 30,
        max_entries: int | None = 1_000,
        clean: bool = True,
    ) -> None:
        self._wall = wall.total_seconds()
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

        Raises ``ParseError``, also when the worker had to be killed (reason ``parser_timeout``) or
        died (``parser_died``).
        """
        options = {
            "content_type": content_type,
            "url": url,
            "known": known,
            "max_entries": self._max_entries,
            "clean": self._clean,
        }
        result = await self._call("parse", body, options, self._wall)
        if not isinstance(result, ParsedFeed):
            raise TypeError(f"the worker answered {type(result).__name__}")
        return result

    async def extract(
        self, body: bytes, *, content_type: str | None = None, url: str | None = None
    ) -> Article:
        """Return the article in a page (see ``monitor.sources.extract.extract``).

        A page may take ``_PAGE_WALL``; raises ``ParseError`` as ``parse`` does.
        """
        article: Article = await self._call(
            "extract", body, {"content_type": content_type, "url": url}, _PAGE_WALL
        )
        return article

    async def _call(self, job: str, body: bytes, options: dict[str, Any], wall: float) -> Any:
        """Run one of the worker's jobs (see ``monitor.sources.parse.worker``) on ``body``."""
        if self._closed:
            raise RuntimeError("the pool is closed")
        worker = await self._worker()
        try:
            kind, value = await worker.run((job, body, options), wall)
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
        self._process: Process | None = None
        self._jobs = 0

    async def run(self, request: tuple[str, bytes, dict[str, Any]], wall: float) -> Any:
        try:
            if self._process is None or self._process.returncode is not None:
                await self._start()
            async with asyncio.timeout(wall):
                answer = await self._exchange(pickle.dumps(request, protocol=5))
        except TimeoutError:
            await self.stop()
            log.warning("parse worker killed", extra={"reason": "timeout", "limit_s": wall})
            return "error", (
                f"The document was given up after {wall:g} s of parsing; tell the publisher",
                "parser_timeout",
            )
        except (_Died, OSError, EOFError) as error:
            await self.stop()
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

    async def stop(self) -> None:
        process, self._process, self._jobs = self._process, None, 0
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()

    async def _start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _PROGRAM.format(path=sys.path),
            str(self._memory),
            stdin=PIPE,
            stdout=PIPE,
            env={},  # what parses hostile bytes has no business with the token in ours
            limit=_BUFFER,
            start_new_session=True,  # Ctrl-C is for the parent, which then closes the pipes
        )
        async with asyncio.timeout(_START):
            await self._read()  # the worker says when it has loaded its parsers

    async def _exchange(self, request: bytes) -> Any:
        process = self._process
        if process is None or process.stdin is None:
            raise _Died
        process.stdin.write(_LENGTH.pack(len(request)))
        process.stdin.write(request)
        await process.stdin.drain()
        return await self._read()

    async def _read(self) -> Any:
        process = self._process
        if process is None or process.stdout is None:
            raise _Died
        try:
            (length,) = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))
            return pickle.loads(await process.stdout.readexactly(length))
        except asyncio.IncompleteReadError:
            raise _Died from None
