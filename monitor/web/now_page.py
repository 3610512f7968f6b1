"""Now: the latest alerts with what they matched, where they went and why; and one story."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.alerts.silence import load_silences
from monitor.codec import alert_from_json
from monitor.store.port import FoundEntry, OutboxRow, OutboxState
from monitor.values import Alert, Mark, Match, Receipt
from monitor.web.events import Hub, Piece
from monitor.web.metrics import fares
from monitor.web.render import Renderer
from monitor.web.source import Source
from monitor.web.words import marked, plain

ALERTS = 50  # on the first page
ENTRIES = 100  # of one story
_SLACK_TS = re.compile(r"\d{10}\.\d{6}")
_SLACK_CHANNEL = re.compile(r"[CGD][A-Z0-9]{5,}")


@dataclass(frozen=True, slots=True)
class Shown:
    """An outbox row as the pages show it; ``link`` leads to the message in Slack."""

    row: OutboxRow
    alert: Alert
    title: Markup
    quote: Markup
    label: str
    sources: tuple[str, ...]
    link: str


class NowPage:
    """The first page, its stream of alerts, and the page of one story."""

    def __init__(self, source: Source, renderer: Renderer) -> None:
        self._source = source
        self._renderer = renderer
        self.hub = Hub(self._pieces)

    def routes(self) -> list[Route]:
        """Return the pages' addresses; all of them only read."""
        return [
            Route("/", self._now),
            Route("/events", self.hub.respond),
            Route("/stories/{story}", self._story),
        ]

    async def _now(self, request: Request) -> Response:
        source, store = self._source, self._source.store
        feeds = source.watching().feeds
        states = await source.feed_states()
        how = [fares(states.get(key)) for key in feeds]
        counts = await store.outbox_counts()
        now = source.clock.now()
        pieces, last = await self.hub.look()
        open_states: tuple[OutboxState, ...] = ("queued", "held", "sending")
        return self._renderer.page(
            "now",
            "/",
            alerts=[Markup(each.write()) for each in pieces],
            last=last,
            feeds_all=len(feeds),
            feeds_ok=how.count("ok"),
            feeds_failing=how.count("failing") + how.count("stopped"),
            feeds_new=how.count("new"),
            waiting=sum(counts.get(name, 0) for name in open_states),
            unclear=counts.get("unknown", 0) + counts.get("dead", 0),
            silences=sum(each.active(now) for each in await load_silences(store)),
        )

    async def _pieces(self) -> Sequence[Piece]:
        rows = await self._source.store.outbox_rows(limit=ALERTS, newest=True)
        workspace = await self._source.workspace()
        return [
            Piece(f"a-{row.id}", (row, workspace), partial(self._article, row, workspace))
            for row in rows
        ]

    def _article(self, row: OutboxRow, workspace: str) -> str:
        shown = show(row, workspace)
        return self._renderer.part("alert", each=shown) if shown is not None else ""

    async def _story(self, request: Request) -> Response:
        store, ident = self._source.store, request.path_params["story"]
        entries = (await store.entries_of_story(ident))[:ENTRIES]
        rows = await store.outbox_rows(story_id=ident)
        if not entries and not rows:
            return self._renderer.page("nothing", "/", 404, title="No such story")
        workspace = await self._source.workspace()
        matches = {each.entry.id: await store.matches_of(each.entry.id) for each in entries}
        told = [each for row in rows if (each := show(row, workspace)) is not None]
        title = entries[0].entry.entry.title if entries else told[0].alert.title if told else ident
        return self._renderer.page(
            "story",
            "/",
            title=plain(title),
            entries=[(each, _lines(each, matches[each.entry.id])) for each in entries],
            matches=matches,
            told=told,
            sources=_sources(entries),
        )


def show(row: OutboxRow, workspace: str) -> Shown | None:
    """Return a row ready to be shown; None for one whose payload can't be read."""
    try:
        alert = alert_from_json(row.payload)
    except ValueError:
        return None
    quote = alert.summary.quote if alert.summary else None
    label = alert.severity.label if alert.kind == "alert" else alert.kind.replace("_", " ")
    return Shown(
        row,
        replace(alert, rules=tuple(dict.fromkeys(alert.rules))),
        marked(alert.title, alert.title_marks),
        marked(quote.text, quote.marks) if quote else Markup(),
        label,
        tuple(name for name in dict.fromkeys((alert.source, *alert.sources)) if name),
        permalink(row.receipt, workspace),
    )


def permalink(receipt: Receipt | None, workspace: str) -> str:
    """Return the address of a message in Slack, as Slack itself builds it; "" for others."""
    if receipt is None or not workspace or not _SLACK_TS.fullmatch(receipt.ts):
        return ""
    if not _SLACK_CHANNEL.fullmatch(receipt.channel_id):
        return ""
    base = workspace.rstrip("/")
    return f"{base}/archives/{receipt.channel_id}/p{receipt.ts.replace('.', '')}"


def title_of(row: OutboxRow) -> str:
    """Return a message's title, plain."""
    try:
        return plain(alert_from_json(row.payload).title)
    except ValueError:
        return "(unreadable)"


def _lines(found: FoundEntry, matches: Sequence[Match]) -> Mapping[str, Markup]:
    """Return an entry's title, and its summary where something is marked in it."""
    entry = found.entry.entry
    out = {"title": marked(entry.title, _marks(matches, "title"))}
    if marks := _marks(matches, "summary"):
        out["summary"] = marked(entry.summary, marks)
    return out


def _marks(matches: Sequence[Match], name: str) -> list[Mark]:
    out: list[Mark] = []
    for start, end in sorted(
        {(h.start, h.end) for m in matches for h in m.hits if h.field == name}
    ):
        if out and start < out[-1].end:
            out[-1] = Mark(out[-1].start, max(out[-1].end, end))
        else:
            out.append(Mark(start, end))
    return out


def _sources(entries: Sequence[FoundEntry]) -> Sequence[str]:
    return [name for name in dict.fromkeys(each.entry.source for each in entries) if name]
