"""Serves the application on an address, inside a loop that belongs to someone else."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn

from monitor.errors import UsageError
from monitor.web.app import WebApp

log = logging.getLogger(__name__)

STOP = 2  # seconds that open connections get at the end


class _Server(uvicorn.Server):
    """Leaves signals to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: WebApp, listen: str) -> AsyncIterator[str]:
    """Answer on ``listen`` ("host:port") for as long as the block runs; yields "host:port" as
    bound. Raises ``UsageError`` when the address can't be used."""
    taken = _bound(listen)
    config = uvicorn.Config(
        app.asgi,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP,
        limit_concurrency=200,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[taken]), name="status page")
    try:
        host, port = taken.getsockname()[:2]
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    finally:
        app.close()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await running
        taken.close()


@asynccontextmanager
async def beside_the_daemon(app: WebApp, listen: str) -> AsyncIterator[str | None]:
    """As ``serving``, but an address that can't be used is logged: the watch goes on without."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            bound = await stack.enter_async_context(serving(app, listen))
        except UsageError as error:
            log.error("no status page", extra={"reason": str(error)})
            yield None
            return
        log.info("status page", extra={"url": f"http://{bound}/"})
        yield bound


def _bound(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise UsageError(f"web.listen: {listen!r} is not host:port")
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        version = 4
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    try:
        taken = socket.create_server((host, int(port)), family=family)
    except OSError as error:
        raise UsageError(f"web.listen: {listen} can't be used ({error.strerror})") from error
    # asyncio sets it on sockets of its own making only. Without it a small answer waits for the
    # other side's delayed acknowledgement: 40 ms.
    taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return taken
