"""What people may do on the pages: POSTs with our form token, each answered with a redirect.

The rows and silences change as the command line changes them (``outbox retry``, ``silence add``).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from monitor.alerts.silence import add_silence, expire_silence, make_silence, parse_matchers
from monitor.errors import UsageError
from monitor.store.port import OutboxRow
from monitor.web.guard import FormToken
from monitor.web.pages import Pages
from monitor.web.source import Source

FIELDS = 20  # the most fields a form of ours has
_SPAN = re.compile(r"(\d{1,5})\s*(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Handler = Callable[[Request, FormData], Awaitable[Response]]


class Actions:
    """The addresses that change something."""

    def __init__(self, source: Source, pages: Pages, form_token: FormToken) -> None:
        self._source = source
        self._pages = pages
        self._token = form_token

    def routes(self) -> list[Route]:
        """Return the routes; they answer POST only."""
        actions: dict[str, Handler] = {
            "/feeds/poll": self._poll,
            "/outbox/retry": self._retry,
            "/outbox/drop": self._drop,
            "/silences": self._mute,
            "/silences/end": self._unmute,
        }
        return [
            Route(path, self.guarded(handler), methods=["POST"])
            for path, handler in actions.items()
        ]

    def guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Return ``handler`` behind the form token."""

        async def run(request: Request) -> Response:
            try:
                form = await request.form(max_files=0, max_fields=FIELDS)
            except HTTPException:
                return PlainTextResponse("This is no form of ours.\n", 400)
            if not self._token.fits(form.get("form_token")):
                return PlainTextResponse("This form is from before a restart: load it anew.\n", 403)
            return await handler(request, form)

        return run

    async def _poll(self, request: Request, form: FormData) -> Response:
        key = text(form, "key")
        state = (await self._source.store.feed_states()).get(key)
        if state is None or state.baselined_at is None:
            return PlainTextResponse("No such feed, or not polled yet.\n", 404)
        now = self._source.clock.now()
        await self._source.store.update_feed(replace(state, next_at=min(state.next_at, now)))
        self._source.forget()
        return back("/feeds", q=key)

    async def _row(self, form: FormData) -> OutboxRow | None:
        wanted = text(form, "id")
        open_rows = await self._source.store.outbox_rows(["queued", "held", "unknown", "dead"])
        return next((row for row in open_rows if row.id == wanted), None)

    async def _retry(self, request: Request, form: FormData) -> Response:
        if (row := await self._row(form)) is not None:
            now = self._source.clock.now()
            fresh = replace(row, state="queued", not_before=now, looks=0, attempts=0, error="")
            await self._source.store.outbox_put([fresh])
        return back("/outbox")

    async def _drop(self, request: Request, form: FormData) -> Response:
        if (row := await self._row(form)) is not None:
            await self._source.store.outbox_forget([row.id])
        return back("/outbox")

    async def _mute(self, request: Request, form: FormData) -> Response:
        now = self._source.clock.now()
        given = {name: text(form, name) for name in ("matcher", "lasts", "comment", "then")}
        try:
            when = parse_matchers([line for line in given["matcher"].splitlines() if line.strip()])
            silence = make_silence(
                when,
                span(given["lasts"]),
                now,
                by="status page",
                comment=given["comment"][:500],
                then="digest" if given["then"] == "digest" else "drop",
            )
        except UsageError as error:
            return await self._pages.silences(request, problem=str(error), form=given)
        await add_silence(self._source.store, silence)
        return back("/silences")

    async def _unmute(self, request: Request, form: FormData) -> Response:
        try:
            await expire_silence(self._source.store, text(form, "id"), self._source.clock.now())
        except UsageError as error:
            return await self._pages.silences(request, problem=str(error))
        return back("/silences")


def text(form: FormData, name: str) -> str:
    """Return a form's field as text, "" where there is none."""
    value = form.get(name)
    return value if isinstance(value, str) else ""


def span(given: str) -> timedelta:
    """Read a duration such as "2h"; raises ``UsageError``."""
    found = _SPAN.fullmatch(given.strip().lower())
    if not found:
        raise UsageError(f"{given!r} is not a duration: write 30m, 2h, 7d")
    lasts = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if lasts > timedelta(days=3660):
        raise UsageError("a silence lasts ten years at most")
    return lasts


def back(path: str, **query: str) -> Response:
    """Return the redirect after a change, so that a reload doesn't repeat it."""
    asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return RedirectResponse(f"{path}?{asked}" if asked else path, 303)
