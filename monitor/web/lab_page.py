"""The rule lab's page: try a rule, see the change it makes to the file, apply it when asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from markupsafe import Markup
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from monitor.config.edit import append_rule
from monitor.errors import ConfigError
from monitor.values import Mark, TextField
from monitor.web.actions import Actions, back, text
from monitor.web.lab import Draft, Found, read_draft, try_out, try_text
from monitor.web.pages import Pages
from monitor.web.source import Source
from monitor.web.words import marked

DAYS = (1, 3, 7, 30)
AROUND = 160  # characters of text before and after the first mark
EXAMPLE = "name: Arms deals\nany: [arms deals, weapons sale*]\nnone: [opinion]\n"


class LabPage:
    """The addresses of the lab; only `/lab/apply` changes something."""

    def __init__(self, source: Source, pages: Pages, actions: Actions) -> None:
        self._source = source
        self._pages = pages
        self._actions = actions

    def routes(self) -> list[Route]:
        """Return the routes."""
        guarded = self._actions.guarded
        return [
            Route("/lab", self._blank, methods=["GET"]),
            Route("/lab", guarded(self._try), methods=["POST"]),
            Route("/lab/check", guarded(self._check), methods=["POST"]),
            Route("/lab/apply", guarded(self._apply), methods=["POST"]),
        ]

    async def _blank(self, request: Request) -> Response:
        added = request.query_params.get("added", "")[:200]
        notice = f"{added} is in the configuration now." if added else ""
        return self._show({"yaml": EXAMPLE}, notice=notice)

    async def _check(self, request: Request, form: FormData) -> Response:
        """Return what is wrong with the rule alone, for the page to show while one types."""
        try:
            draft = await self._draft(text(form, "yaml"))
        except ConfigError as error:
            return HTMLResponse(Markup('<p class="problem">{}</p>').format(str(error)))
        notes = "\n".join(map(str, draft.notes))
        return HTMLResponse(Markup('<p class="notice">This rule loads. {}</p>').format(notes))

    async def _try(self, request: Request, form: FormData) -> Response:
        given = {name: text(form, name) for name in ("yaml", "days", "title", "body")}
        asked = given["days"]
        days = int(asked) if asked in map(str, DAYS) else 7
        now = self._source.clock.now()
        try:
            draft = await self._draft(given["yaml"])
        except ConfigError as error:
            return self._show(given, 400, problem=str(error))
        entries = await self._source.store.entries_since(now - timedelta(days=days))
        feeds = self._source.watching().feeds
        trial = await asyncio.to_thread(try_out, draft, entries, feeds, now, days)
        pasted = None
        if given["title"].strip() or given["body"].strip():
            document, match = try_text(draft, given["title"], given["body"], now)
            pasted = (match is not None, _excerpt(Found(document, match)) if match else Markup())
        return self._show(
            given,
            draft=draft,
            trial=trial,
            days=days,
            pasted=pasted,
            found=[(each, *_shown(each)) for each in trial.found],
            near=[(each, *_shown(each)) for each in trial.near],
            chart=_chart([(f"{day:%d %b}", count) for day, count in trial.days]),
        )

    async def _apply(self, request: Request, form: FormData) -> Response:
        given = {"yaml": text(form, "yaml")}
        config = self._source.config
        try:
            draft = await self._draft(given["yaml"])
            if draft.known or draft.seen != text(form, "seen"):
                problem = "The file has changed since: look at the change again."
                return self._show(given, 409, problem=problem)
            await asyncio.to_thread(append_rule, config, draft.rule, env=self._source.env)
        except ConfigError as error:
            return self._show(given, 400, problem=str(error))
        return back("/lab", added=str(draft.rule["name"]))

    async def _draft(self, yaml: str) -> Draft:
        return await asyncio.to_thread(read_draft, yaml, self._source.config, self._source.env)

    def _show(self, given: dict[str, str], status: int = 200, **values: object) -> Response:
        blank = {"yaml": "", "days": "7", "title": "", "body": ""}
        unset: dict[str, object] = {"draft": None, "trial": None, "days": 7, "pasted": None}
        notice, problem = str(values.pop("notice", "")), str(values.pop("problem", ""))
        merged = {**unset, **values, "form": {**blank, **given}, "choices": DAYS}
        return self._pages.page("lab", "/lab", status, notice=notice, problem=problem, **merged)


def _shown(found: Found) -> tuple[Markup, Markup]:
    title = marked(found.document.title, _marks(found, "title"))
    return title, _excerpt(found)


def _excerpt(found: Found) -> Markup:
    """Return the text around the first mark outside the title; "" where only the title has some."""
    fields: tuple[TextField, ...] = ("summary", "content")
    for name in fields:
        if marks := _marks(found, name):
            start = max(0, marks[0].start - AROUND)
            part = found.document.text(name)[start : marks[0].end + AROUND]
            moved = [Mark(m.start - start, min(m.end - start, len(part))) for m in marks]
            return marked(part, [each for each in moved if each.start < each.end])
    return Markup()


def _marks(found: Found, name: TextField) -> list[Mark]:
    out: list[Mark] = []
    for start, end in sorted((h.start, h.end) for h in found.match.hits if h.field == name):
        if out and start < out[-1].end:
            out[-1] = Mark(out[-1].start, max(end, out[-1].end))
        else:
            out.append(Mark(start, end))
    return out


def _chart(bars: Sequence[tuple[str, int]]) -> Markup:
    """Return stories per day as SVG: a bar a day, each with its number."""
    width, height, foot = 640, 120, 18
    step, most = width / len(bars), max(1, *(count for _, count in bars))
    label_each = max(1, -(-len(bars) // 10))
    parts = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            width, height + foot + 14,
            "Stories a day: " + ", ".join(f"{day} {count}" for day, count in bars),
        )
    ]  # fmt: skip
    for number, (day, count) in enumerate(bars):
        tall = height * count / most
        x = number * step
        parts.append(
            Markup(
                '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
                "<title>{}: {} stories</title></rect>"
            ).format(x + step * 0.1, 14 + height - tall, step * 0.8, tall, day, count)
        )
        if number % label_each == 0:
            spot = x + step / 2
            word = Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>')
            parts.append(word.format(spot, height + 14 + foot - 4, day))
            parts.append(word.format(spot, round(10 + height - tall), count or ""))
    return Markup("").join([*parts, Markup("</svg>")])
