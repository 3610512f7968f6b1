"""A scripted HTTP server on a real socket, for tests of whatever fetches.

Each path has a script: a list of steps, one per request, the last one repeated. A step is an
``Answer`` (or a function of the request that returns one), and can be slow, cut, endless, redirect
or plain garbage. Every request is kept with its headers and the monotonic time it came in.

Runs in a thread with an event loop of its own, so that synchronous tests and other processes can
use it. Nothing here is imported by the product.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """One request as it came in; ``headers`` as sent, in order; ``at`` is ``time.monotonic()``."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float
    peer: tuple[str, int] = ("", 0)
    alpn: str | None = None

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def header(self, name: str) -> str | None:
        """Return a header's value by name in any case, or None."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)


@dataclass(frozen=True)
class Answer:
    """One step of a script.

    ``etag``/``last_modified`` are sent, and a request that echoes one byte for byte gets a 304.
    ``delay`` (seconds) goes before the head, ``pause`` (seconds) after every ``chunk`` bytes of
    the body. ``cut`` closes the connection after so many body bytes, though the length declared is
    the whole. ``hang`` never answers; ``reset`` breaks the connection off with RST when it would
    close; ``raw`` is sent as it is instead of an answer, ``repeat_raw`` again and again.
    """

    body: bytes | str = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str | None = "application/rss+xml; charset=utf-8"
    etag: str | None = None
    last_modified: str | None = None
    gzipped: bool = False
    chunked: bool = False
    length: int | None = None
    delay: float = 0.0
    pause: float = 0.0
    chunk: int = 65536
    cut: int | None = None
    hang: bool = False
    reset: bool = False
    raw: bytes | None = None
    repeat_raw: bool = False

    def payload(self) -> bytes:
        data = self.body.encode() if isinstance(self.body, str) else self.body
        return gzip.compress(data, mtime=0) if self.gzipped else data


Step = Answer | Callable[[Request], Answer]


def redirect(location: str, status: int = 302) -> Answer:
    """Return an answer that sends the client elsewhere."""
    return Answer(status=status, headers=(("Location", location),), content_type=None)


def rss(
    items: Iterable[tuple[str, str]] = (("1", "A headline"),), title: str = "Example Wire"
) -> str:
    """Return an RSS document with (guid, title) items."""
    entries = "".join(
        f"<item><guid isPermaLink='false'>{guid}</guid><title>{text}</title>"
        f"<link>https://example.org/{guid}</link><description>{text}.</description></item>"
        for guid, text in items
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>'
        f"<title>{title}</title><link>https://example.org/</link>{entries}</channel></rss>"
    )


@dataclass
class _Script:
    steps: Sequence[Step]
    next: int = 0

    def step(self, request: Request) -> Answer:
        step = self.steps[min(self.next, len(self.steps) - 1)]
        self.next += 1
        return step(request) if callable(step) else step


@dataclass
class FeedServer:
    """The server. Use it as a context manager; ``url(path)`` gives a feed's address.

    ``host`` is the loopback address to bind; ``tls`` makes it speak https.
    """

    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    peak: int = 0  # requests under way at once, at most
    port: int = 0

    def __post_init__(self) -> None:
        self._scripts: dict[str, _Script] = {}
        self._lock = threading.Lock()
        self._active = 0
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> FeedServer:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the feed server didn't start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._loop is not None
        assert self._stop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def url(self, path: str = "/feed") -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.host}:{self.port}{path}"

    def script(self, path: str, *steps: Step) -> str:
        """Set what ``path`` answers, one step a request, the last repeated; returns its URL."""
        with self._lock:
            self._scripts[path] = _Script(steps)
        return self.url(path)

    def of(self, path: str) -> list[Request]:
        """Return the requests to ``path`` so far."""
        with self._lock:
            return [request for request in self.requests if request.path == path]

    # The server's side -------------------------------------------------------------------------

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(
            connected, self.host, self.port, ssl=self.tls, backlog=1024
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await self._read(reader, writer)) is not None:
                with self._lock:
                    self.requests.append(request)
                    script = self._scripts.get(request.path)
                    self._active += 1
                    self.peak = max(self.peak, self._active)
                try:
                    answer = script.step(request) if script else Answer(b"no such feed", 404)
                    keep = await self._answer(
                        request, _conditional(request, answer), reader, writer
                    )
                finally:
                    with self._lock:
                        self._active -= 1
                if not keep:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, TimeoutError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(Exception):
                await writer.wait_closed()

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Request | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        at = time.monotonic()
        first, *lines = head[:-4].split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = tuple(
            (name, value.strip()) for name, _, value in (line.partition(":") for line in lines)
        )
        tls = writer.get_extra_info("ssl_object")
        request = Request(
            method,
            target,
            headers,
            b"",
            at,
            writer.get_extra_info("peername") or ("", 0),
            tls.selected_alpn_protocol() if tls is not None else None,
        )
        length = int(request.header("content-length") or 0)
        return replace(request, body=await reader.readexactly(length)) if length else request

    async def _answer(
        self,
        request: Request,
        answer: Answer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        if answer.delay:
            await asyncio.sleep(answer.delay)
        if answer.hang:
            await reader.read(1)  # until the client gives up
            return False
        if answer.raw is not None:
            writer.write(answer.raw)
            await writer.drain()
            while answer.repeat_raw:
                await asyncio.sleep(answer.pause)
                writer.write(answer.raw)
                await writer.drain()
            self._finish(answer, writer)
            return False
        payload = answer.payload()
        writer.write(_head(answer, payload))
        sent = payload if answer.cut is None else payload[: answer.cut]
        for start in range(0, len(sent), answer.chunk):
            part = sent[start : start + answer.chunk]
            writer.write(b"%x\r\n%s\r\n" % (len(part), part) if answer.chunked else part)
            await writer.drain()
            if answer.pause:
                await asyncio.sleep(answer.pause)
        if answer.chunked and answer.cut is None:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        if answer.cut is not None or answer.reset:
            self._finish(answer, writer)
            return False
        return (request.header("connection") or "").lower() != "close"

    def _finish(self, answer: Answer, writer: asyncio.StreamWriter) -> None:
        if answer.reset:
            writer.transport.abort()


def _conditional(request: Request, answer: Answer) -> Answer:
    """Turn a 200 into a 304 when a validator is echoed byte for byte (the ETag goes first)."""
    if answer.status != 200 or answer.raw is not None:
        return answer
    asked, since = request.header("if-none-match"), request.header("if-modified-since")
    same = asked == answer.etag if asked is not None else since == answer.last_modified
    if (asked is None and since is None) or not same:
        return answer
    return replace(answer, status=304, body=b"", gzipped=False)


def _head(answer: Answer, payload: bytes) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} Scripted"]
    if answer.content_type and answer.status != 304:
        lines.append(f"Content-Type: {answer.content_type}")
    if answer.etag is not None:
        lines.append(f"ETag: {answer.etag}")
    if answer.last_modified is not None:
        lines.append(f"Last-Modified: {answer.last_modified}")
    if answer.gzipped:
        lines.append("Content-Encoding: gzip")
    if answer.chunked:
        lines.append("Transfer-Encoding: chunked")
    elif answer.status not in (204, 304):
        lines.append(f"Content-Length: {len(payload) if answer.length is None else answer.length}")
    lines += [f"{name}: {value}" for name, value in answer.headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
