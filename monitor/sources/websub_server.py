"""Serves the WebSub callback on an address of its own, and keeps the subscriptions renewed.

Apart from the status page on purpose: this address faces the internet, that one doesn't.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from aiohttp import web

from monitor.clock import Clock
from monitor.errors import StateError, UsageError
from monitor.sources.fetch import Fetcher
from monitor.sources.websub import BODY_MAX, Deliver, Subscriber
from monitor.store.port import FeedState, Store

log = logging.getLogger(__name__)

ROUNDS = 300.0  # seconds between looks at which subscriptions are missing or about to lapse
FIRST_ROUND = 30.0  # seconds: feeds are polled first, to learn their hubs


@asynccontextmanager
async def websub_server(
    callback: str,
    listen: str,
    store: Store,
    fetcher: Callable[[], Fetcher],
    clock: Clock,
    states: Callable[[], Mapping[str, FeedState]],
    deliver: Deliver,
    *,
    first_round: float | None = None,
) -> AsyncIterator[str]:
    """Take hubs' calls on ``listen`` ("host:port") for as long as the block runs.

    ``callback`` is the same place as hubs reach it, usually through a reverse proxy; its path is
    kept. ``fetcher`` and ``states`` give what is current. Yields the address really listened on.

    Raises ``UsageError`` when ``listen`` can't be read or is taken, ``StateError`` from the store.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"network.websub_listen: {listen!r} is not host:port")
    subscriber = Subscriber(store, fetcher, clock, callback, deliver)
    await subscriber.load()
    app = web.Application(client_max_size=BODY_MAX)
    app.add_routes(subscriber.routes(urlsplit(callback).path))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            raise UsageError(
                f"network.websub_listen: {listen} can't be used ({error.strerror})"
            ) from error
        first = FIRST_ROUND if first_round is None else first_round
        renewing = asyncio.create_task(_renew_forever(subscriber, states, first))
        try:
            bound = runner.addresses[0]
            yield f"{bound[0]}:{bound[1]}"
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing
    finally:
        await runner.cleanup()


async def _renew_forever(
    subscriber: Subscriber, states: Callable[[], Mapping[str, FeedState]], first: float
) -> None:
    wait = first
    while True:
        await asyncio.sleep(wait)
        wait = ROUNDS
        try:
            asked = await subscriber.renew(states())
        except StateError as error:
            log.error("WebSub subscriptions could not be kept", extra={"reason": str(error)})
            continue
        if asked:
            log.info("asked hubs for subscriptions", extra={"feeds": asked})
