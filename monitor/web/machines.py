"""The addresses for machines: `/metrics`, `/healthz`, `/readyz`, and a feed for each rule."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from monitor.errors import StateError
from monitor.review.exports import atom_feed
from monitor.web.metrics import Metrics
from monitor.web.source import STALLED, Source

LOOK_BACK = timedelta(days=30)  # stories in a rule's feed


def machine_routes(source: Source) -> list[Route]:
    """Return the routes; they answer plain text and change nothing."""
    counted = source.metrics or Metrics(source.clock)

    async def metrics(_: Request) -> Response:
        states = await source.feed_states()
        outbox = await source.store.outbox_counts()
        text = counted.text(source.watching().feeds, states, outbox, source.clock.now())
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def healthz(_: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        """The store answers, takes what is new, and polling comes round."""
        try:
            await source.store.outbox_next()
        except StateError:
            return PlainTextResponse("the store does not answer\n", 503)
        if source.trouble():
            return PlainTextResponse("what is new can't be stored: the log says why\n", 503)
        if source.stalled() > STALLED:
            return PlainTextResponse("polling has not come round for a minute\n", 503)
        return PlainTextResponse("ok\n")

    async def atom(request: Request) -> Response:
        """The Atom feed of a rule."""
        watching, rule = source.watching(), request.path_params["rule"]
        if rule not in {each.name for each in watching.settings.rules}:
            return PlainTextResponse("There is no such rule.\n", 404)
        now = source.clock.now()
        base = watching.settings.web.url or str(request.base_url)
        body = await atom_feed(
            source.store,
            rule,
            feeds=watching.feeds,
            since=now - LOOK_BACK,
            now=now,
            url=f"{base.rstrip('/')}/atom/{quote(rule)}",
        )
        return Response(body, media_type="application/atom+xml")

    return [
        Route("/atom/{rule:path}", atom),
        Route("/metrics", metrics),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
    ]
