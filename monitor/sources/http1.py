"""Our own wire as a transport for httpx: its requests and responses, our connections."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from monitor.sources.wire import Connection, Origin, Wire, message


class _Body(httpx.AsyncByteStream):
    """The answer's body as httpx hands it on; closing it gives the connection back or ends it."""

    def __init__(self, wire: Wire, connection: Connection, origin: Origin, keep: bool) -> None:
        self._wire = wire
        self._connection = connection
        self._origin = origin
        self._keep = keep
        self._given_back = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._connection.body():
            yield part

    async def aclose(self) -> None:
        if not self._given_back:
            self._given_back = True
            self._wire.give_back(self._connection, self._origin, self._keep)


class Http1Transport(httpx.AsyncBaseTransport):
    """Sends httpx's requests over a ``Wire``.

    The connection is kept where the request's extensions have a true ``keep``.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` and return its answer once the headers are in.

        Raises ``FetchError`` or an ``httpx.TransportError``.
        """
        url = request.url
        secure = url.scheme == "https"
        origin = Origin(secure, url.host, url.port or (443 if secure else 80))
        keep = bool(request.extensions.get("keep"))
        body = await request.aread()
        connection = await self.wire.send(
            origin, message(request.method, url.raw_path, request.headers.raw, body)
        )
        return httpx.Response(
            connection.status,
            headers=connection.headers,
            stream=_Body(self.wire, connection, origin, keep),
            request=request,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self.wire.aclose()
