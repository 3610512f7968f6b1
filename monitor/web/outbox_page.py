"""Outbox: what is owed to the channels, and sending again or giving up."""

from __future__ import annotations

from dataclasses import replace

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.store.port import OutboxRow, OutboxState
from monitor.web.forms import Forms, text
from monitor.web.metrics import OUTBOX_STATES
from monitor.web.now_page import permalink, title_of
from monitor.web.render import Renderer
from monitor.web.source import Source

ROWS = 200  # shown at once
OPEN: tuple[OutboxState, ...] = ("queued", "held", "sending", "unknown", "dead")
WAITING: tuple[OutboxState, ...] = ("queued", "held", "unknown", "dead")  # that an order reaches


class OutboxPage:
    """The addresses of the outbox. Rows change as `outbox retry` and `outbox drop` change them."""

    def __init__(self, source: Source, renderer: Renderer, forms: Forms) -> None:
        self._source = source
        self._renderer = renderer
        self._forms = forms

    def routes(self) -> list[Route]:
        """Return the routes; those that change something answer POST only."""
        return [
            Route("/outbox", self._outbox, methods=["GET"]),
            self._forms.post("/outbox/retry", self._retry),
            self._forms.post("/outbox/drop", self._drop),
        ]

    async def _outbox(self, request: Request) -> Response:
        store = self._source.store
        state = _state(request.query_params.get("state", ""))
        rows = await store.outbox_rows([state] if state else OPEN, limit=ROWS, newest=True)
        counts = await store.outbox_counts()
        workspace = await self._source.workspace()
        return self._renderer.page(
            "outbox",
            "/outbox",
            notice=self._renderer.said(request),
            rows=[(row, title_of(row), permalink(row.receipt, workspace)) for row in rows],
            counts=[(name, counts.get(name, 0)) for name in OUTBOX_STATES],
            state=state or "",
            waiting=WAITING,
            limit=ROWS,
        )

    async def _chosen(self, form: FormData) -> list[OutboxRow]:
        """Return the row that a form names, or all of the state that it names."""
        ident, state = text(form, "id"), _state(text(form, "state"))
        if not ident:
            wanted = [state] if state in WAITING else []
            return list(await self._source.store.outbox_rows(wanted)) if wanted else []
        return [row for row in await self._source.store.outbox_rows(WAITING) if row.id == ident]

    async def _retry(self, request: Request, form: FormData) -> Response:
        rows, now = await self._chosen(form), self._source.clock.now()
        fresh = [
            replace(row, state="queued", not_before=now, looks=0, attempts=0, error="")
            for row in rows
        ]
        if fresh:
            await self._source.store.outbox_put(fresh)
        return self._done(form, len(fresh), "queued again")

    async def _drop(self, request: Request, form: FormData) -> Response:
        rows = await self._chosen(form)
        gone = await self._source.store.outbox_forget([row.id for row in rows]) if rows else 0
        return self._done(form, gone, "dropped")

    def _done(self, form: FormData, number: int, what: str) -> Response:
        said = f"{number} {'message' if number == 1 else 'messages'} {what}."
        state = text(form, "shown")
        return self._renderer.back("/outbox", said, **({"state": state} if state else {}))


def _state(asked: str) -> OutboxState | None:
    return next((each for each in OUTBOX_STATES if each == asked), None)
