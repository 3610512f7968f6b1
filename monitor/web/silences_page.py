"""Silences: what is muted until when, muting and ending. As `silence add|expire` do it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.alerts.silence import (
    LABELS,
    add_silence,
    expire_silence,
    load_silences,
    make_silence,
    parse_matchers,
)
from monitor.errors import UsageError
from monitor.web.forms import Forms, text
from monitor.web.render import Renderer
from monitor.web.source import Source

_SPAN = re.compile(r"(\d{1,5})\s*(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FIELDS = ("matcher", "lasts", "comment", "then")


class SilencesPage:
    """The addresses of silences."""

    def __init__(self, source: Source, renderer: Renderer, forms: Forms) -> None:
        self._source = source
        self._renderer = renderer
        self._forms = forms

    def routes(self) -> list[Route]:
        """Return the routes; those that change something answer POST only."""
        return [
            Route("/silences", self._silences, methods=["GET"]),
            self._forms.post("/silences", self._mute),
            self._forms.post("/silences/end", self._unmute),
        ]

    async def _silences(self, request: Request) -> Response:
        return await self._show(request, {"matcher": request.query_params.get("matcher", "")})

    async def _show(self, request: Request, form: Mapping[str, str], problem: str = "") -> Response:
        now = self._source.clock.now()
        silences = sorted(
            await load_silences(self._source.store),
            key=lambda each: (each.active(now), each.until),
            reverse=True,
        )
        return self._renderer.page(
            "silences",
            "/silences",
            400 if problem else 200,
            notice=self._renderer.said(request),
            problem=problem,
            silences=silences,
            form={**dict.fromkeys(_FIELDS, ""), **form},
            labels=LABELS,
        )

    async def _mute(self, request: Request, form: FormData) -> Response:
        given = {name: text(form, name) for name in _FIELDS}
        try:
            when = parse_matchers([line for line in given["matcher"].splitlines() if line.strip()])
            silence = make_silence(
                when,
                span(given["lasts"]),
                self._source.clock.now(),
                by="status page",
                comment=given["comment"][:500],
                then="digest" if given["then"] == "digest" else "drop",
            )
        except UsageError as error:
            return await self._show(request, given, str(error))
        await add_silence(self._source.store, silence)
        return self._renderer.back("/silences", f"Muted: {silence.words()}.")

    async def _unmute(self, request: Request, form: FormData) -> Response:
        try:
            await expire_silence(self._source.store, text(form, "id"), self._source.clock.now())
        except UsageError as error:
            return await self._show(request, {}, str(error))
        return self._renderer.back("/silences", "The silence has ended.")


def span(given: str) -> timedelta:
    """Read a duration such as "2h"; raises ``UsageError``."""
    found = _SPAN.fullmatch(given.strip().lower())
    if not found:
        raise UsageError(f"{given!r} is not a duration: write 30m, 2h, 7d")
    lasts = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if lasts > timedelta(days=3660):
        raise UsageError("a silence lasts ten years at most")
    return lasts
