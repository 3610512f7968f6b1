"""One HTTP exchange: over our own wire, or over httpx's transport where ours can't do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from monitor.config.models import NetworkSettings
from monitor.errors import FetchError
from monitor.sources.decode import too_large
from monitor.sources.faults import transport_failure
from monitor.sources.guard import Target
from monitor.sources.http1 import Http1Transport
from monitor.sources.outcome import FetchLimits
from monitor.sources.tls import shared_ssl_context
from monitor.sources.transport import Dialler, stock_transport
from monitor.sources.wire import Origin, Wire, lower_headers, message, refuse_declared

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP exchange: status, headers (lower-case names), and the body as it travelled."""

    url: str
    status: int
    headers: Mapping[str, str]
    raw: bytes = b""
    permanent: str | None = None


class Exchanger:
    """Sends requests to addresses that were vetted, and reads the answers within bounds.

    ``dialler`` opens connections; ``network`` decides the transport.
    """

    def __init__(self, network: NetworkSettings, dialler: Dialler, limits: FetchLimits) -> None:
        self._dialler = dialler
        self._limits = limits
        self._transport = self._choose(network)

    def _choose(self, network: NetworkSettings) -> httpx.AsyncBaseTransport:
        """Return our own transport, or httpx's where ours doesn't do what is asked for."""
        context = shared_ssl_context()
        if network.proxy is None and network.transport == "own" and not network.http2:
            return Http1Transport(Wire(self._dialler, context, connect=self._limits.connect))
        return stock_transport(
            self._dialler,
            context,
            connections=self._limits.slots.total + self._limits.slots.stalled,
            proxy=network.proxy.get_secret_value() if network.proxy else None,
            http2=network.http2,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def exchange(
        self,
        target: Target,
        headers: Headers,
        keep: bool,
        body: bytes | None = None,
    ) -> Answer:
        """Send one GET (or ``body``) and read the answer, at most ``limits.wire`` bytes of it."""
        method = "GET" if body is None else "POST"
        try:
            if isinstance(self._transport, Http1Transport):
                return await self._over_wire(
                    self._transport.wire, target, method, headers, keep, body
                )
            request = self._request(target.url, method, headers, keep, body)
            response = await self._transport.handle_async_request(request)
            try:
                found = lower_headers(response.headers.raw)
                raw = b""
                if _has_body(response.status_code):
                    raw = await self._read(response, found)
            finally:
                await response.aclose()
        except httpx.InvalidURL as error:
            raise FetchError(
                f"The address {target.url[:200]!r} can't be read ({error})", "bad_url"
            ) from error
        except httpx.TimeoutException as error:
            raise FetchError(
                f"No connection within {self._limits.connect:g} seconds; it is tried again later",
                "timeout",
            ) from error
        except httpx.TransportError as error:
            raise transport_failure(target.url, error) from error
        return Answer(target.url, response.status_code, found, raw)

    async def _over_wire(
        self,
        wire: Wire,
        target: Target,
        method: str,
        headers: Headers,
        keep: bool,
        body: bytes | None,
    ) -> Answer:
        """Send one request over our own wire, without httpx's values in between."""
        if target.path is not None and target.authority is not None:
            path = target.path.encode("ascii")
            origin = Origin(target.scheme == "https", target.host, target.port)
            headers.insert(0, (b"Host", target.authority.encode("ascii")))
        else:
            request = self._request(target.url, method, headers, keep, body)
            url, headers = request.url, request.headers.raw
            path, host = url.raw_path, url.raw_host.decode("ascii")
            secure = url.scheme == "https"
            origin = Origin(secure, host, url.port or (443 if secure else 80))
        connection = await wire.send(origin, message(method, path, headers, body or b""))
        try:
            raw = b""
            if _has_body(connection.status):
                raw = await connection.read(self._limits.wire)
        finally:
            wire.give_back(connection, origin, keep)
        return Answer(target.url, connection.status, connection.found, raw)

    def _request(
        self,
        url: str,
        method: str,
        headers: Headers,
        keep: bool,
        body: bytes | None,
    ) -> httpx.Request:
        connect = self._limits.connect
        timeouts = {"connect": connect, "read": None, "write": None, "pool": None}
        extensions = {"timeout": timeouts, "keep": keep}
        return httpx.Request(method, url, headers=headers, content=body, extensions=extensions)

    async def _read(self, response: httpx.Response, found: Mapping[str, str]) -> bytes:
        refuse_declared(found, self._limits.wire)
        parts: list[bytes] = []
        size = 0
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for part in response.stream:
            size += len(part)
            if size > self._limits.wire:
                raise too_large(self._limits.wire)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _has_body(status: int) -> bool:
    return 200 <= status < 300 and status != 204
