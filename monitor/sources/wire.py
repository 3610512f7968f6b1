"""HTTP/1.1 on the wire: asyncio's protocols under httptools' parser, and the connections kept.

Polling is many short requests to many hosts, where a general client spends most of its time on
its own layers and values: one exchange costs a quarter of httpx's CPU here
(docs/explanation/polling.md). It follows no redirects, keeps no cookies, and asks the dialler for
vetted addresses on every dial. ``monitor.sources.http1`` gives it httpx's face.

A connection is kept for ``IDLE`` seconds only where the request asks for that: when another request
to the same host is waiting already.
"""

from __future__ import annotations

import asyncio
import errno
import re
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, NamedTuple, cast

import httptools
import httpx

from monitor.errors import FetchError
from monitor.sources.decode import too_large, truncated
from monitor.sources.tls import ResumingContext
from monitor.sources.transport import Dialler

HEAD_MAX = 100 * 1024  # bytes of status line, headers and interim answers: what h11 takes as well
OVERHEAD_MAX = 4 * 1024 * 1024  # bytes of chunk marks and trailers
IDLE = 4.0  # seconds; below the shortest keep-alive time-out in common use (Apache: 5 s)
NO_ROOM = 0.05  # seconds between attempts to connect while descriptors have run out
_HIGH_WATER = 512 * 1024  # unread bytes of a body at which the socket is paused
_NO_BODY = frozenset({204, 304})
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_UNSENDABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

_CONTROL = re.compile(rb"[\x00\r\n]")
# Headers of which the first counts when they come twice; others are joined (RFC 9110 §5.3).
_ONCE = frozenset({"etag", "last-modified", "location", "content-type"})


class Origin(NamedTuple):
    """Where a connection leads; those to one origin may stand in for each other."""

    secure: bool
    host: str
    port: int


def lower_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name; one sent twice is joined as RFC 9110 §5.3 has it."""
    found: dict[str, str] = {}
    for key, value in raw:
        name, text = key.decode("latin-1").lower(), value.decode("latin-1")
        if name not in found:
            found[name] = text
        elif name not in _ONCE:
            found[name] = f"{found[name]}, {text}"
    return found


def refuse_declared(found: Mapping[str, str], limit: int) -> None:
    """Raise ``FetchError`` for an answer that announces more than ``limit`` bytes."""
    declared = found.get("content-length", "").strip()
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):
        raise too_large(limit)


class Connection(asyncio.Protocol):
    """One connection: sends a request, parses the answer as it comes in.

    ``status``, ``headers`` and ``found`` (by lower-case name) are the answer's once it is heard.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self.used = 0  # requests sent so far
        self._begin()

    def _begin(self) -> None:
        self.parser: Any = httptools.HttpResponseParser(self)
        # What servers get wrong and other clients forgive: folded headers, bare line feeds, blanks
        # after a chunk's size. With both lengths given, the body goes by the chunks (RFC 9112
        # §6.3). The connection is closed after any answer but a plain one, so that nothing of one
        # answer can pass for another.
        self.parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_chunked_length=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self.headers: list[tuple[bytes, bytes]] = []
        self.found: dict[str, str] = {}
        self.status = 0
        self.complete = False
        self._overhead = 0  # bytes fed that were not body
        self._head_done = False
        self._by_eof = False
        self._parts: deque[bytes] = deque()
        self._unread = 0
        self._paused = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.reusable = False
        self.heard = False

    # asyncio's side ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by class

    def data_received(self, data: bytes) -> None:
        if not self.used or self.complete:
            self.reusable = False  # an answer nobody asked for
            self.abort()
            return
        self.heard = True
        self._overhead += len(data)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.complete:
                self._fail(httpx.RemoteProtocolError(str(error) or type(error).__name__))
                return
            self.reusable = False  # bytes after the answer's end: not part of it
        if self._overhead > (OVERHEAD_MAX if self._head_done else HEAD_MAX):
            self._fail(httpx.RemoteProtocolError("the headers are longer than 100 KiB"))
            return
        if self._unread > _HIGH_WATER and not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if not self.complete and self._error is None:
            if error is None and self._head_done and self._by_eof:
                self.complete = True
            elif error is None and self._head_done:
                self._error = truncated()
            else:
                words = str(error) if error else "the server closed the connection unanswered"
                self._error = httpx.ReadError(words)
                self._error.__cause__ = error
        self._wake()

    # httptools' side ---------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        if _CONTROL.search(value):
            raise ValueError("a control character in a header")
        if not self._head_done:  # trailers are not looked at
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if 100 <= status < 200:
            self.headers = []
            return
        self.status = status
        self._head_done = True
        found = self.found = lower_headers(self.headers)
        chunked = "chunked" in found.get("transfer-encoding", "").lower()
        length = found.get("content-length")
        self._by_eof = not chunked and length is None and status not in _NO_BODY
        both = chunked and length is not None
        self.reusable = self.parser.should_keep_alive() and not self._by_eof and not both

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)
        self._overhead -= len(data)
        self._unread += len(data)

    def on_message_complete(self) -> None:
        if self._head_done:
            self.complete = True

    # The transport's side ----------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Begin a new exchange on this connection."""
        assert self.transport is not None
        if self.used:
            self._begin()
        self.used += 1
        self.transport.write(data)

    async def head(self) -> None:
        """Wait for the answer's headers; raises what broke it off before."""
        while not self._head_done:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body's parts; raises when it breaks off."""
        while True:
            while self._parts:
                part = self._parts.popleft()
                self._unread -= len(part)
                yield part
            if self._paused and self.transport is not None and not self.closed:
                self._paused = False
                self.transport.resume_reading()
            if self.complete and not self._parts:
                return
            if self._error is not None:
                raise self._error
            await self._wait()

    async def read(self, limit: int) -> bytes:
        """Return the whole body; raises ``FetchError`` when it has more than ``limit`` bytes."""
        refuse_declared(self.found, limit)
        parts: list[bytes] = []
        size = 0
        async for part in self.body():
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None and not self.closed:
            self.transport.abort()
        self.closed = True

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        await self._waiter

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._error = error
        self.reusable = False
        self.abort()
        self._wake()


class Wire:
    """Sends requests over HTTP/1.1, each over a connection to a vetted address.

    ``connect`` (seconds) bounds one request's dialling. One per event loop.
    """

    def __init__(self, dialler: Dialler, context: ssl.SSLContext, *, connect: float) -> None:
        self._dialler = dialler
        self._context = context
        self._connect = connect
        self._idle: dict[Origin, list[tuple[Connection, asyncio.TimerHandle]]] = {}
        self._open: set[Connection] = set()

    async def send(self, origin: Origin, message: bytes) -> Connection:
        """Send ``message`` to ``origin``; returns the connection once the answer's headers are in.

        It is to be given back. Raises ``FetchError`` or an ``httpx.TransportError``.
        """
        while True:
            kept = self._take_idle(origin)
            connection = kept or await self._dial(origin)
            try:
                connection.send(message)
                await connection.head()
                return connection
            except BaseException as error:
                heard = connection.heard
                self._end(connection)
                # The server may close a kept connection just when it is used again: then, and
                # only when not a byte has come back, the request is sent once more.
                if kept is None or heard or not isinstance(error, httpx.ReadError):
                    raise

    async def aclose(self) -> None:
        """Close every connection."""
        for connection in list(self._open):
            self._end(connection)
        for waiting in self._idle.values():
            for _, timer in waiting:
                timer.cancel()
        self._idle.clear()

    def give_back(self, connection: Connection, origin: Origin, keep: bool) -> None:
        """Keep the connection for another request to the same host, or close it."""
        if isinstance(self._context, ResumingContext) and origin.secure:
            transport = connection.transport
            tls = transport.get_extra_info("ssl_object") if transport is not None else None
            if tls is not None:
                self._context.remember(origin.host, tls.session)
        if not (keep and connection.complete and connection.reusable and not connection.closed):
            self._end(connection)
            return
        timer = asyncio.get_running_loop().call_later(IDLE, self._expire, connection, origin)
        self._idle.setdefault(origin, []).append((connection, timer))

    def _take_idle(self, origin: Origin) -> Connection | None:
        waiting = self._idle.get(origin)
        while waiting:
            connection, timer = waiting.pop()
            timer.cancel()
            if not waiting:
                del self._idle[origin]
            if not connection.closed:
                return connection
            self._end(connection)
        return None

    def _expire(self, connection: Connection, origin: Origin) -> None:
        left = [item for item in self._idle.get(origin, ()) if item[0] is not connection]
        if left:
            self._idle[origin] = left
        else:
            self._idle.pop(origin, None)
        self._end(connection)

    def _end(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.abort()

    async def _dial(self, origin: Origin) -> Connection:
        _, host, port = origin
        addresses = await self._dialler.addresses(host, port)
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._connect
        last: Exception | None = None
        for left in range(len(addresses), 0, -1):
            address = addresses[-left]
            # The first of several addresses doesn't get all the time: it may be a dead IPv6 route.
            share = (ends - loop.time()) / (1 if left == 1 else 2)
            try:
                connection = await self._opened(origin, address, loop.time() + share)
            except TimeoutError:
                last = httpx.ConnectTimeout("no connection in time")
                continue
            except OSError as error:
                last = httpx.ConnectError(error.strerror or str(error))
                last.__cause__ = error
                continue
            self._open.add(connection)
            return connection
        raise last or FetchError(f"{host} has no address; check the spelling of the host", "dns")

    async def _opened(self, origin: Origin, address: str, ends: float) -> Connection:
        """Connect until ``ends``. Where descriptors have run out, the connections of other polls
        make room when they end: it waits for that."""
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {}
        if origin.secure:
            tls = {"ssl": self._context, "server_hostname": origin.host}
        while True:
            try:
                async with asyncio.timeout_at(ends):
                    _, connection = await loop.create_connection(
                        lambda: Connection(loop), address, origin.port, **tls
                    )
                return connection
            except OSError as error:
                lacking = error.errno in (errno.EMFILE, errno.ENFILE)
                if not lacking or not self._open or loop.time() + NO_ROOM > ends:
                    raise
            await asyncio.sleep(NO_ROOM)


def message(
    method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes = b""
) -> bytes:
    """Return a request as it goes over the wire; raises ``FetchError`` for unsendable headers."""
    lines = [b"%s %s HTTP/1.1" % (method.encode("ascii"), target)]
    for name, value in headers:
        if not _TOKEN.match(name) or _UNSENDABLE.search(value):
            raise FetchError(
                f"The header {name.decode('latin-1')!r} of this feed's settings can't be sent; "
                "correct it",
                "bad_header",
            )
        lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
