"""The pages for people: Now, Feeds, Outbox, Silences. Reads the store, writes HTML."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from monitor.alerts.silence import LABELS, load_silences
from monitor.codec import alert_from_json
from monitor.store.port import FeedState, OutboxRow, OutboxState
from monitor.values import Alert, Feed
from monitor.web.guard import FormToken
from monitor.web.metrics import OUTBOX_STATES, fares
from monitor.web.source import Source
from monitor.web.words import link, marked, moment, plain

HERE = Path(__file__).parent
PAGES = (
    ("/", "Now"),
    ("/feeds", "Feeds"),
    ("/outbox", "Outbox"),
    ("/silences", "Silences"),
    ("/lab", "Rule lab"),
)
OPEN: tuple[OutboxState, ...] = ("queued", "held", "sending", "unknown", "dead")
ALERTS = 50  # on the first page
FEEDS = 100  # on one page
ROWS = 200  # of the outbox
_WORST_FIRST = ("failing", "stopped", "new", "ok")


@dataclass(frozen=True, slots=True)
class Shown:
    """An outbox row as the first page shows it."""

    row: OutboxRow
    alert: Alert
    title: Markup
    quote: Markup
    label: str
    sources: tuple[str, ...]


class Pages:
    """Writes pages over ``source``; ``form_token`` goes into their forms."""

    def __init__(self, source: Source, form_token: FormToken) -> None:
        self._source = source
        self._token = form_token
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        self._templates.filters.update(link=link, plain=plain)
        self._templates.globals.update(moment=moment, form_token=form_token.value)

    def routes(self) -> list[Route]:
        """Return the pages' addresses; all of them only read."""
        return [
            Route("/", self.now),
            Route("/alerts", self.alerts),
            Route("/feeds", self.feeds),
            Route("/outbox", self.outbox),
            Route("/silences", self.silences, methods=["GET"]),
        ]

    def page(
        self, name: str, here: str, status: int = 200, *, notice: str = "", problem: str = "",
        **values: Any,
    ) -> Response:  # fmt: skip
        """Return a page from its template."""
        values |= {
            "title": dict(PAGES).get(here, name),
            "here": here,
            "pages": PAGES,
            "notice": notice,
            "problem": problem,
            "now": self._source.clock.now(),
        }
        text = self._templates.get_template(f"{name}.html").render(values)
        return HTMLResponse(text, status)

    # Now ----------------------------------------------------------------------------------------

    async def now(self, request: Request) -> Response:
        """Show the latest alerts and how the watch fares."""
        source, store = self._source, self._source.store
        feeds = source.watching().feeds
        states = await source.feed_states()
        how = [fares(states.get(key)) for key in feeds]
        counts = await store.outbox_counts()
        now = source.clock.now()
        return self.page(
            "now",
            "/",
            alerts=await self._latest(),
            feeds_all=len(feeds),
            feeds_ok=how.count("ok"),
            feeds_failing=how.count("failing") + how.count("stopped"),
            waiting=sum(counts.get(name, 0) for name in ("queued", "held", "sending")),
            unclear=counts.get("unknown", 0) + counts.get("dead", 0),
            silences=sum(each.active(now) for each in await load_silences(store)),
        )

    async def alerts(self, request: Request) -> Response:
        """Return the list of alerts alone, for the first page to renew itself."""
        alerts = await self._latest()
        seen = "".join(f"{each.row.id}{each.row.state}{each.row.error}" for each in alerts)
        etag = f'"{hashlib.sha256(seen.encode()).hexdigest()[:16]}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag})
        template = self._templates.get_template("alerts.html")
        text = template.render(alerts=alerts, now=self._source.clock.now())
        return HTMLResponse(text, headers={"etag": etag})

    async def _latest(self) -> list[Shown]:
        rows = await self._source.store.outbox_rows(limit=ALERTS, newest=True)
        return [shown for row in rows if (shown := _shown(row)) is not None]

    # Feeds --------------------------------------------------------------------------------------

    async def feeds(self, request: Request, notice: str = "", problem: str = "") -> Response:
        """Show how each feed fares, a hundred to a page, the worst first."""
        asked = request.query_params
        q, show = asked.get("q", ""), asked.get("show", "all")
        chosen = self._chosen(await self._source.feed_states(), q, show)
        pages_of = max(1, -(-len(chosen) // FEEDS))
        number = asked.get("page", "1")
        page = min(max(1, int(number) if number.isdecimal() and len(number) < 9 else 1), pages_of)
        first = (page - 1) * FEEDS
        return self.page(
            "feeds",
            "/feeds",
            notice=notice,
            problem=problem,
            feeds=chosen[first : first + FEEDS],
            total=len(chosen),
            first=first + 1,
            page=page,
            pages_of=pages_of,
            q=q,
            show=show,
            query=urlencode({"q": q, "show": show}),
        )

    def _chosen(
        self, states: Mapping[str, FeedState], q: str, show: str
    ) -> Sequence[tuple[Feed, FeedState | None, str]]:
        wanted = q.strip().casefold()
        found = [
            (feed, state, how)
            for key, feed in self._source.watching().feeds.items()
            if (how := fares(state := states.get(key))) == show or show not in _WORST_FIRST
            if wanted in feed.name.casefold() or wanted in key.casefold()
        ]
        return sorted(found, key=lambda each: _WORST_FIRST.index(each[2]))

    # Outbox, silences ---------------------------------------------------------------------------

    async def outbox(self, request: Request, notice: str = "", problem: str = "") -> Response:
        """Show what is owed to the channels, the newest first."""
        store = self._source.store
        asked = request.query_params.get("state", "")
        state = next((each for each in OUTBOX_STATES if each == asked), None)
        rows = await store.outbox_rows([state] if state else OPEN, limit=ROWS, newest=True)
        counts = await store.outbox_counts()
        return self.page(
            "outbox",
            "/outbox",
            notice=notice,
            problem=problem,
            rows=[(row, title_of(row)) for row in rows],
            counts=[(name, counts.get(name, 0)) for name in OUTBOX_STATES],
            state=state or "",
            limit=ROWS,
        )

    async def silences(
        self,
        request: Request,
        notice: str = "",
        problem: str = "",
        form: Mapping[str, str] | None = None,
    ) -> Response:
        """Show silences, those in force first, and the form for another."""
        now = self._source.clock.now()
        silences = sorted(
            await load_silences(self._source.store),
            key=lambda each: (each.active(now), each.until),
            reverse=True,
        )
        blank = {"matcher": request.query_params.get("matcher", "")}
        filled = {"matcher": "", "lasts": "", "comment": "", "then": "", **(form or blank)}
        return self.page(
            "silences",
            "/silences",
            400 if problem else 200,
            notice=notice,
            problem=problem,
            silences=silences,
            form=filled,
            labels=LABELS,
        )


def title_of(row: OutboxRow) -> str:
    """Return a message's title, plain."""
    try:
        return plain(alert_from_json(row.payload).title)
    except ValueError:
        return "(unreadable)"


def _shown(row: OutboxRow) -> Shown | None:
    try:
        alert = alert_from_json(row.payload)
    except ValueError:
        return None
    quote = alert.summary.quote if alert.summary else None
    label = alert.severity.label if alert.kind == "alert" else alert.kind.replace("_", " ")
    sources = tuple(dict.fromkeys((alert.source, *alert.sources)))
    return Shown(
        row,
        replace(alert, rules=tuple(dict.fromkeys(alert.rules))),
        marked(alert.title, alert.title_marks),
        marked(quote.text, quote.marks) if quote else Markup(),
        label,
        tuple(name for name in sources if name),
    )
