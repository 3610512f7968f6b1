"""The rule lab: a rule is checked while one types, tried on stored stories and on texts of one's
own, and its change to the file shown, and written when asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from monitor.alerts.rows import merged_marks
from monitor.errors import ConfigError, FetchError, ParseError, StateError
from monitor.rules import plain
from monitor.sources.parse import ParsePool
from monitor.sources.reader import Reader
from monitor.values import Document, Mark, TextField
from monitor.web.charts import Row, columns
from monitor.web.complete import complete
from monitor.web.draft import Draft, change_for, read_draft, rule_text
from monitor.web.forms import Forms, text
from monitor.web.render import Renderer
from monitor.web.source import Source
from monitor.web.trial import SHOWN, Found, Trial, try_text
from monitor.web.words import marked

log = logging.getLogger(__name__)

DAYS = (1, 3, 7, 30)
AROUND = 160  # characters of text before and after the first mark
FIRST = 0.7  # seconds that the page waits for hits that fill its list
TOLD_EVERY = 1.0  # seconds between two states of a trial that a browser is told
RUNNING = 2  # trials at once
KEPT = 8  # trials that a page may still ask for
LISTED = 300  # rules offered by name
EXAMPLE = "name: Arms deals\nany: [arms deals, weapons sale*]\nnone: [opinion]\n"
_FIELDS = ("yaml", "days", "url", "title", "body")


@dataclass(frozen=True, slots=True)
class Pasted:
    """What the rule says of one text: with a match its title and text marked, without one the
    clauses that fail by themselves."""

    matches: bool
    title: Markup
    quote: Markup
    lacks: tuple[str, ...] = ()


class LabPage:
    """The addresses of the lab; nothing here changes the configuration without being asked."""

    def __init__(self, source: Source, renderer: Renderer, forms: Forms) -> None:
        self._source = source
        self._renderer = renderer
        self._forms = forms
        self._trials: dict[str, tuple[Trial, asyncio.Task[None]]] = {}

    def routes(self) -> list[Route]:
        """Return the routes."""
        post = self._forms.post
        return [
            Route("/lab", self._open, methods=["GET"]),
            Route("/lab/trials/{trial}", self._follow, methods=["GET"]),
            post("/lab", self._try),
            post("/lab/check", self._check),
            post("/lab/complete", self._complete),
            post("/lab/change", self._change),
        ]

    def close(self) -> None:
        """End the trials that run."""
        for _, task in self._trials.values():
            task.cancel()

    # Writing ------------------------------------------------------------------------------------

    async def _open(self, request: Request) -> Response:
        name = request.query_params.get("rule", "")
        if not name:
            return self._show(request, {"yaml": EXAMPLE})
        try:
            found = await asyncio.to_thread(rule_text, name, self._source.config, self._source.env)
        except ConfigError as error:
            return self._show(request, {"yaml": EXAMPLE}, 400, problem=str(error))
        if not found:
            problem = f"There is no rule {name!r} with lines of its own in the configuration."
            return self._show(request, {"yaml": EXAMPLE}, 404, problem=problem)
        return self._show(request, {"yaml": found})

    async def _check(self, request: Request, form: FormData) -> Response:
        """Return what is to be said of the rule alone, for the page to show while one types."""
        try:
            draft = await self._draft(text(form, "yaml"))
        except ConfigError as error:
            return HTMLResponse(self._renderer.part("verdict", problems=error.problems, known=None))
        known = draft.known.name if draft.known else ""
        return HTMLResponse(self._renderer.part("verdict", problems=draft.notes, known=known))

    async def _complete(self, request: Request, form: FormData) -> Response:
        at = text(form, "at")
        cursor = int(at) if at.isdecimal() and len(at) < 8 else 0
        settings = self._source.watching().settings
        offers = complete(text(form, "yaml"), cursor, settings)
        return JSONResponse([asdict(each) for each in offers])

    async def _change(self, request: Request, form: FormData) -> Response:
        given = {name: text(form, name) for name in _FIELDS}
        try:
            draft = await self._draft(given["yaml"])
            change = await asyncio.to_thread(
                change_for, draft, self._source.config, self._source.env
            )
        except ConfigError as error:
            return self._show(request, given, 400, problem=str(error))
        said = f"{draft.settings.name} is in the file now."
        return self._forms.propose(change, "/lab", said, again=given["yaml"])

    async def _draft(self, yaml: str) -> Draft:
        return await asyncio.to_thread(read_draft, yaml, self._source.watching().settings)

    # Trying -------------------------------------------------------------------------------------

    async def _try(self, request: Request, form: FormData) -> Response:
        given = {name: text(form, name) for name in _FIELDS}
        days = int(given["days"]) if given["days"] in map(str, DAYS) else 7
        try:
            draft = await self._draft(given["yaml"])
        except ConfigError as error:
            return self._show(request, given, 400, problem=str(error), wrong=error.problems)
        problem, pasted = "", None
        try:
            document = await self._document(given)
            if document is not None:
                pasted = await asyncio.to_thread(_pasted, draft, document)
        except (FetchError, ParseError) as error:
            problem = f"{given['url'][:200]}: {error}"
        name, trial = self._start(draft, days)
        await _first_hits(trial)
        return self._show(
            request,
            given,
            problem=problem,
            draft=draft,
            pasted=pasted,
            results=Markup(self._results(trial)),
            trial="" if trial.results.done else name,
            days=days,
        )

    def _start(self, draft: Draft, days: int) -> tuple[str, Trial]:
        running = [task for _, task in self._trials.values() if not task.done()]
        for task in running[: len(running) - RUNNING + 1]:
            task.cancel()  # the oldest: its page was left, or asked anew
        source = self._source
        feeds, now = source.watching().feeds, source.clock.now()
        trial = Trial(draft, source.store, feeds, now, days)
        name = secrets.token_urlsafe(12)
        self._trials[name] = (trial, asyncio.create_task(_run(trial), name="rule lab"))
        while len(self._trials) > KEPT:
            _, task = self._trials.pop(next(iter(self._trials)))
            task.cancel()
        return name, trial

    async def _follow(self, request: Request) -> Response:
        """Tell a browser how a trial goes on, until it is done."""
        known = self._trials.get(request.path_params["trial"])
        if known is None:
            return Response(status_code=204)  # a browser stops asking
        trial = known[0]

        async def stream() -> AsyncIterator[str]:
            loop = asyncio.get_running_loop()
            while True:
                done = trial.results.done
                lines = "\n".join(f"data: {line}" for line in self._results(trial).splitlines())
                yield f"event: {'done' if done else 'more'}\n{lines}\n\n"
                if done:
                    return
                end = loop.time() + TOLD_EVERY
                while not trial.results.done and (left := end - loop.time()) > 0:
                    await asyncio.wait([trial.changed.next()], timeout=left)

        return StreamingResponse(stream(), media_type="text/event-stream")

    def _results(self, trial: Trial) -> str:
        bars = [Row(f"{day:%-d %b}", (count,)) for day, count in trial.span()]
        results = trial.results
        return self._renderer.part(
            "trial",
            results=results,
            draft=trial.draft,
            days=trial.days,
            chart=columns("Matches a day", "stories", ["stories"], bars),
            found=_shown_all(results.found),
            near=_shown_all(results.near),
            new=_shown_all(results.new_ones),
            lost=_shown_all(results.lost_ones),
        )

    async def _document(self, given: Mapping[str, str]) -> Document | None:
        """Return the text to try: read from the address given, or pasted; None where neither."""
        now = self._source.clock.now()
        if url := given["url"].strip():
            return await self._read(url, now)
        if given["title"].strip() or given["body"].strip():
            body = given["body"]
            return plain(Document("pasted", given["title"], body, published=now))
        return None

    async def _read(self, url: str, now: datetime) -> Document:
        if "://" not in url:
            url = f"https://{url}"
        if not url.lower().startswith(("http://", "https://")):
            raise FetchError("only http and https addresses are read")
        async with contextlib.AsyncExitStack() as stack:
            reader = Reader(self._source.watching().settings.network.allow)
            stack.push_async_callback(reader.aclose)
            pool = ParsePool()
            stack.push_async_callback(pool.aclose)
            body = await reader.read(url)
            article = await pool.extract(
                body.data, content_type=body.content_type, url=body.url or url
            )
        return plain(
            Document(
                "read", article.title, "", article.text, url=url, source=article.site,
                language=article.language, published=article.published or now,
            )
        )  # fmt: skip

    def _show(
        self, request: Request, given: Mapping[str, str], status: int = 200, **values: Any
    ) -> Response:
        blank: dict[str, Any] = {
            "draft": None, "pasted": None, "results": "", "trial": "", "days": 7, "wrong": (),
        }  # fmt: skip
        rules = [rule.name for rule in self._source.watching().settings.rules]
        problem = str(values.pop("problem", ""))
        form = {**dict.fromkeys(_FIELDS, ""), **given}
        return self._renderer.page(
            "lab", "/lab", status, notice=self._renderer.said(request), problem=problem,
            **(blank | values), form=form, choices=DAYS, rules=rules[:LISTED],
        )  # fmt: skip


async def _run(trial: Trial) -> None:
    try:
        await trial.run()
    except asyncio.CancelledError:
        trial.results.failed = "It was stopped: newer trials were begun."
        raise
    except StateError as error:
        trial.results.failed = str(error)
    except Exception:
        log.exception("a trial in the rule lab failed")
        trial.results.failed = "it failed; the log says why"


async def _first_hits(trial: Trial) -> None:
    """Wait until the list is full, all is done, or patience ends."""
    loop = asyncio.get_running_loop()
    end = loop.time() + FIRST
    results = trial.results
    while not results.done and not (len(results.found) >= SHOWN and results.stories):
        change = trial.changed.next()
        if not (await asyncio.wait([change], timeout=max(0.0, end - loop.time())))[0]:
            return


def _pasted(draft: Draft, document: Document) -> Pasted:
    match, near = try_text(draft, document)
    if match is None:
        return Pasted(False, marked(document.title, ()), Markup(), tuple(n.lacks for n in near))
    title, quote = _shown(Found(document, match))
    return Pasted(True, title, quote)


def _shown_all(found: list[Found]) -> list[tuple[Found, Markup, Markup]]:
    return [(each, *_shown(each)) for each in found]


def _shown(found: Found) -> tuple[Markup, Markup]:
    return marked(found.document.title, _marks(found, "title")), _excerpt(found)


def _excerpt(found: Found) -> Markup:
    """Return the text around the first mark outside the title; "" where only the title has some."""
    fields: tuple[TextField, ...] = ("summary", "content")
    for name in fields:
        if marks := _marks(found, name):
            whole = found.document.text(name)
            start = max(0, marks[0].start - AROUND)
            end = min(len(whole), marks[0].end + AROUND)
            moved = [Mark(m.start - start, min(m.end, end) - start) for m in marks if m.start < end]
            part = marked(whole[start:end], moved)
            return Markup("{}{}{}").format("… " * (start > 0), part, " …" * (end < len(whole)))
    return Markup()


def _marks(found: Found, name: TextField) -> tuple[Mark, ...]:
    hits = (hit for hit in found.match.hits if hit.field == name)
    return merged_marks(Mark(hit.start, hit.end) for hit in hits)
