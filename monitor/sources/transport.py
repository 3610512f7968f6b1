"""How a request travels: httpx's transports, with the guard under their connection pool.

Every transport here is an ``httpx.AsyncBaseTransport``, so that one can be swapped for another
without the fetcher's noticing. None follows redirects, reads the environment or keeps cookies.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from monitor.errors import FetchError
from monitor.sources.guard import Guard, literal_address
from monitor.sources.resolve import Resolver


class Dialler:
    """Turns a host into vetted addresses: the one way to a socket."""

    def __init__(self, guard: Guard, resolver: Resolver) -> None:
        self._guard = guard
        self._resolver = resolver

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses to dial for ``host``, each vetted; raises ``FetchError``."""
        literal = literal_address(host)
        if literal is not None:
            return self._guard.vet_addresses(host, [literal])
        return self._guard.vet_addresses(host, await self._resolver.addresses(host, port))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """httpcore's network, which dials only what the guard lets pass.

    ``exempt`` is a (host, port) of the operator's own choice that is dialled unvetted: the proxy.
    """

    def __init__(self, dialler: Dialler, exempt: tuple[str, int] | None = None) -> None:
        self._dialler = dialler
        self._exempt = exempt
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's own argument
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if (host, port) == self._exempt:
            return await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        last: Exception | None = None
        for address in await self._dialler.addresses(host, port):
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last or FetchError(f"{host} has no address", "dns")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's own argument
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise FetchError("Unix sockets are not fetched", "bad_scheme")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


def stock_transport(
    dialler: Dialler,
    context: ssl.SSLContext,
    *,
    connections: int,
    proxy: str | None = None,
    http2: bool = False,
) -> httpx.AsyncHTTPTransport:
    """Return httpx's own transport with the guard under its pool.

    Connections are not kept: httpcore 1.0.9 polls every idle one on each request, which costs
    more than a new connection beyond some dozens of hosts (measured: 36 ms a request at 300).

    Raises ``FetchError`` when the proxy's address can't be used.
    """
    exempt: tuple[str, int] | None = None
    if proxy is not None:
        via = httpx.URL(proxy)
        exempt = (via.host, via.port or {"https": 443, "http": 80}.get(via.scheme, 1080))
    transport = httpx.AsyncHTTPTransport(
        verify=context,
        trust_env=False,
        http2=http2,
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=0),
        proxy=proxy,
    )
    # Private, but the only seam httpx 0.28 leaves; pinned in pyproject.toml, and a test dials it.
    transport._pool._network_backend = GuardedBackend(dialler, exempt)
    return transport
