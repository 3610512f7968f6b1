"""A small HTTP/1.1 transport for httpx: asyncio's protocols under httptools' parser.

Polling is many short requests to many hosts, where a general client spends most of its time on
its own layers: an unchanged poll costs a third of the CPU here (docs/explanation/polling.md).
It follows no redirects, keeps no cookies, and asks the dialler for vetted addresses on every dial.

A connection is kept for ``IDLE`` seconds only where the request asks for that (``keep`` in its
extensions): when another request to the same host is waiting already.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import httptools
import httpx

from monitor.errors import FetchError
from monitor.sources.decode import truncated
from monitor.sources.tls import ResumingContext
from monitor.sources.transport import Dialler

HEAD_MAX = 100 * 1024  # bytes of status line, headers and interim answers: what h11 takes as well
OVERHEAD_MAX = 4 * 1024 * 1024  # bytes of chunk marks and trailers
IDLE = 4.0  # seconds; below the shortest keep-alive time-out in common use (Apache: 5 s)
_HIGH_WATER = 512 * 1024  # unread bytes of a body at which the socket is paused
_NO_BODY = frozenset({204, 304})
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_UNSENDABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

Key = tuple[bytes, str, int]


class _Connection(asyncio.Protocol):
    """One connection: sends a request, parses the answer as it comes in."""

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
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

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
        if b"\x00" in value or b"\n" in value or b"\r" in value:
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
        names = {name.lower(): value.lower() for name, value in self.headers}
        chunked = b"chunked" in names.get(b"transfer-encoding", b"")
        length = names.get(b"content-length")
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


class _Body(httpx.AsyncByteStream):
    """The answer's body as httpx hands it on; closing it gives the connection back or ends it."""

    def __init__(self, owner: Http1Transport, connection: _Connection, key: Key, keep: bool):
        self._owner = owner
        self._connection = connection
        self._key = key
        self._keep = keep
        self._given_back = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._connection.body():
            yield part

    async def aclose(self) -> None:
        if not self._given_back:
            self._given_back = True
            self._owner.give_back(self._connection, self._key, self._keep)


class Http1Transport(httpx.AsyncBaseTransport):
    """Sends requests over HTTP/1.1, each over a connection to a vetted address.

    ``connect`` (seconds) bounds one request's dialling. One per event loop.
    """

    def __init__(self, dialler: Dialler, context: ssl.SSLContext, *, connect: float) -> None:
        self._dialler = dialler
        self._context = context
        self._connect = connect
        self._idle: dict[Key, list[tuple[_Connection, asyncio.TimerHandle]]] = {}
        self._open: set[_Connection] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` and return its answer once the headers are in.

        Raises ``FetchError`` or an ``httpx.TransportError``.
        """
        url = request.url
        scheme = url.raw_scheme
        key = (scheme, url.host, url.port or (443 if scheme == b"https" else 80))
        keep = bool(request.extensions.get("keep"))
        message = _message(request, await request.aread())
        while True:
            kept = self._take_idle(key)
            connection = kept or await self._dial(key)
            try:
                connection.send(message)
                await connection.head()
                break
            except BaseException as error:
                heard = connection.heard
                self._end(connection)
                # The server may close a kept connection just when it is used again: then, and
                # only when not a byte has come back, the request is sent once more.
                if kept is None or heard or not isinstance(error, httpx.ReadError):
                    raise
        return httpx.Response(
            connection.status,
            headers=connection.headers,
            stream=_Body(self, connection, key, keep),
            request=request,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        for connection in list(self._open):
            self._end(connection)
        for waiting in self._idle.values():
            for _, timer in waiting:
                timer.cancel()
        self._idle.clear()

    def give_back(self, connection: _Connection, key: Key, keep: bool) -> None:
        """Keep the connection for another request to the same host, or close it."""
        if isinstance(self._context, ResumingContext) and key[0] == b"https":
            transport = connection.transport
            tls = transport.get_extra_info("ssl_object") if transport is not None else None
            if tls is not None:
                self._context.remember(key[1], tls.session)
        if not (keep and connection.complete and connection.reusable and not connection.closed):
            self._end(connection)
            return
        timer = asyncio.get_running_loop().call_later(IDLE, self._expire, connection, key)
        self._idle.setdefault(key, []).append((connection, timer))

    def _take_idle(self, key: Key) -> _Connection | None:
        waiting = self._idle.get(key)
        while waiting:
            connection, timer = waiting.pop()
            timer.cancel()
            if not waiting:
                del self._idle[key]
            if not connection.closed:
                return connection
            self._end(connection)
        return None

    def _expire(self, connection: _Connection, key: Key) -> None:
        left = [item for item in self._idle.get(key, ()) if item[0] is not connection]
        if left:
            self._idle[key] = left
        else:
            self._idle.pop(key, None)
        self._end(connection)

    def _end(self, connection: _Connection) -> None:
        self._open.discard(connection)
        connection.abort()

    async def _dial(self, key: Key) -> _Connection:
        scheme, host, port = key
        addresses = await self._dialler.addresses(host, port)
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._connect
        last: Exception | None = None
        for left in range(len(addresses), 0, -1):
            address = addresses[-left]
            # The first of several addresses doesn't get all the time: it may be a dead IPv6 route.
            share = (ends - loop.time()) / (1 if left == 1 else 2)
            try:
                async with asyncio.timeout(share):
                    if scheme == b"https":
                        _, connection = await loop.create_connection(
                            lambda: _Connection(loop),
                            address,
                            port,
                            ssl=self._context,
                            server_hostname=host,
                        )
                    else:
                        _, connection = await loop.create_connection(
                            lambda: _Connection(loop), address, port
                        )
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


def _message(request: httpx.Request, body: bytes) -> bytes:
    """Return the request as it goes over the wire; raises ``FetchError`` for unsendable headers."""
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    for name, value in request.headers.raw:
        if not _TOKEN.match(name) or _UNSENDABLE.search(value):
            raise FetchError(
                f"The header {name.decode('latin-1')!r} of this feed's settings can't be sent; "
                "correct it",
                "bad_header",
            )
        lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
