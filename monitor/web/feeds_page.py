"""Feeds: how each one fares, and adding, pausing, polling, exchanging them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.config.amend import with_change
from monitor.config.edit import text_of, with_items
from monitor.config.feeds import feed_names
from monitor.config.load import load
from monitor.errors import ConfigError, FetchError, ParseError, Problem
from monitor.sources import rhythm
from monitor.sources.opml import OpmlFeed, read_opml, setting_of, write_opml
from monitor.sources.site import discover_feeds
from monitor.store.port import FeedState
from monitor.values import Feed
from monitor.web.changes import Change
from monitor.web.charts import Spark, spark
from monitor.web.forms import Forms, text
from monitor.web.metrics import fares
from monitor.web.render import Renderer
from monitor.web.source import Source

FEEDS = 100  # on one page
STATES = ("failing", "stopped", "new", "ok", "paused")  # in the order of their urgency
SORTS = ("urgency", "name", "newest entry", "busiest")
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """A feed as it is shown; ``feed`` is None for one that is paused: it is no part of the watch,
    and its address isn't shown (with its variables filled in, it may hold a secret)."""

    how: str
    name: str
    feed: Feed | None = None
    state: FeedState | None = None

    @property
    def key(self) -> str:
        return self.feed.key if self.feed else ""

    @property
    def extra(self) -> Mapping[str, object]:
        return self.state.extra if self.state else {}

    @property
    def status(self) -> str:
        """How the last poll went, in plain words."""
        if self.feed is None:
            return "not polled until it is resumed"
        if self.state is None:
            return "not polled yet"
        return self.state.disabled_reason or self.state.last_status.removeprefix("ok: ")

    @property
    def newest(self) -> datetime | None:
        """When its newest entry is dated; when we last saw a new one where it gives no dates."""
        return _newest(self.state)

    @property
    def latency(self) -> object:
        """How long the last answer took, in seconds; None where nothing was asked yet."""
        return self.extra.get("elapsed")

    @property
    def per_day(self) -> float | None:
        """How many entries a day it has brought lately, as far as is known."""
        return rhythm.per_day(self.extra.get("rhythm"))

    @property
    def hours(self) -> Spark:
        """When in the day its entries come (UTC), as learned."""
        known = rhythm.from_text(self.extra.get("rhythm"))
        busiest = max(range(24), key=lambda hour: known.hours[hour])
        says = "Entries by hour of the day (UTC)"
        if any(known.hours):
            says += f", most at {busiest:02}–{(busiest + 1) % 24:02} h"
        return spark(known.hours, says)


class FeedsPage:
    """The addresses of feeds."""

    def __init__(self, source: Source, renderer: Renderer, forms: Forms) -> None:
        self._source = source
        self._renderer = renderer
        self._forms = forms

    def routes(self) -> list[Route]:
        """Return the routes; those that change something answer POST only."""
        post = self._forms.post
        return [
            Route("/feeds", self._feeds, methods=["GET"]),
            Route("/feeds.opml", self._export, methods=["GET"]),
            post("/feeds/poll", self._poll),
            post("/feeds/find", self._find),
            post("/feeds/add", self._add),
            post("/feeds/pause", self._pause),
            post("/feeds/resume", self._resume),
            post("/feeds/import", self._import, files=1),
        ]

    async def _feeds(self, request: Request) -> Response:
        return await self._show(request)

    async def _show(
        self, request: Request, *, notice: str = "", problem: str = "", **more: Any
    ) -> Response:
        asked = request.query_params
        q, sort = asked.get("q", ""), asked.get("sort", SORTS[0])
        show = shown if (shown := asked.get("show", "")) in STATES else "all"
        states, watching = await self._source.feed_states(), self._source.watching()
        paused = watching.paused
        hows = [fares(states.get(key)) for key in watching.feeds]
        counts = Counter(hows) + Counter({"paused": len(paused)})
        chosen = _chosen(watching.feeds, hows, states, paused, q, show, sort)
        pages_of = max(1, -(-len(chosen) // FEEDS))
        number = asked.get("page", "1")
        page = min(max(1, int(number) if number.isdecimal() and len(number) < 9 else 1), pages_of)
        first = (page - 1) * FEEDS
        found: dict[str, Any] = {"candidates": None, "site": ""}
        return self._renderer.page(
            "feeds",
            "/feeds",
            400 if problem else 200,
            notice=notice or self._renderer.said(request),
            problem=problem,
            lines=[_line(each, states) for each in chosen[first : first + FEEDS]],
            counts=[(how, counts[how]) for how in STATES],
            total=len(chosen),
            first=first + 1,
            page=page,
            pages_of=pages_of,
            q=q,
            show=show,
            sort=sort,
            sorts=SORTS,
            query=urlencode({"q": q, "show": show, "sort": sort}),
            **(found | more),
        )

    # What is done to feeds ----------------------------------------------------------------------

    async def _poll(self, request: Request, form: FormData) -> Response:
        key = text(form, "key")
        if not await self._source.store.make_due(key, self._source.clock.now()):
            return await self._show(request, problem="There is no such feed.")
        await self._source.forget()
        return self._renderer.back(
            "/feeds", "It is polled as soon as its host may be asked.", q=key
        )

    async def _find(self, request: Request, form: FormData) -> Response:
        site = text(form, "site").strip()
        allow = self._source.watching().settings.network.allow
        problem = ""
        try:
            found = await discover_feeds(site, allow) if site else []
        except (FetchError, ParseError) as error:
            found, problem = [], f"{site}: {error}"
        if not found and not problem:
            problem = f"No feed was found on {site or 'a page without an address'}."
        known = self._source.watching().feeds
        candidates = [(each, each.url in known) for each in found]
        return await self._show(request, problem=problem, candidates=candidates, site=site)

    async def _add(self, request: Request, form: FormData) -> Response:
        url, name, tags = (text(form, field).strip() for field in ("url", "name", "tags"))
        item: dict[str, Any] = {"url": url}
        if name and name not in self._names():
            item["name"] = name
        if wanted := [tag.strip() for tag in tags.split(",") if tag.strip()]:
            item["tags"] = wanted
        return await self._propose(request, lambda: self._added([item]), f"{url} is watched now.")

    async def _import(self, request: Request, form: FormData) -> Response:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            return await self._show(request, problem="Choose an OPML file first.")
        body = await upload.read()
        try:
            listed = await asyncio.to_thread(read_opml, body)
        except ParseError as error:
            return await self._show(request, problem=str(error))
        known = set(self._source.watching().feeds)
        names = self._names()
        fresh = [setting_of(feed, names) for feed in listed.feeds if feed.url not in known]
        if not fresh:
            said = f"All {len(listed.feeds)} feeds of the file are known already."
            return await self._show(request, notice=said)
        skipped = f", {len(listed.skipped)} left out (no web address)" if listed.skipped else ""
        said = f"{len(fresh)} feeds added{skipped}."
        return await self._propose(request, lambda: self._added(fresh), said)

    async def _pause(self, request: Request, form: FormData) -> Response:
        return await self._set_enabled(request, text(form, "name"), enabled=False)

    async def _resume(self, request: Request, form: FormData) -> Response:
        return await self._set_enabled(request, text(form, "name"), enabled=True)

    async def _set_enabled(self, request: Request, name: str, *, enabled: bool) -> Response:
        said = f"{name} is {'polled again' if enabled else 'paused'}."
        return await self._propose(request, lambda: self._switched(name, enabled=enabled), said)

    async def _propose(self, request: Request, make: Callable[[], Change], said: str) -> Response:
        try:
            change = await asyncio.to_thread(make)
        except ConfigError as error:
            return await self._show(request, problem=str(error))
        return self._forms.propose(change, "/feeds", said)

    def _names(self) -> set[str]:
        watching = self._source.watching()
        return {feed.name for feed in watching.feeds.values()} | set(watching.paused)

    def _added(self, items: Sequence[Any]) -> Change:
        config = self._source.config
        known = load(config, self._source.env).addresses
        for item in items:
            if item["url"] in known:
                raise ConfigError([Problem(f"{item['url']} is in `feeds` already")])
        short = [item["url"] if len(item) == 1 else item for item in items]
        edited = with_items(config, text_of(config), "feeds", short)
        return Change.of(config, edited, config, self._source.env)

    def _switched(self, name: str, *, enabled: bool) -> Change:
        config = self._source.config
        names = feed_names(load(config, self._source.env).settings.feeds)
        if name not in names:
            raise ConfigError([Problem(f"there is no feed {name!r} in the configuration")])

        polled = [each for each in self._source.watching().feeds.values() if each.name != name]
        if not enabled and not polled:
            problem = "it is the only feed: a watch without any is not taken while it runs"
            raise ConfigError([Problem(problem)])

        def switch(item: dict[str, Any]) -> None:
            if enabled:
                item.pop("enabled", None)
            else:
                item["enabled"] = False

        edited = with_change(text_of(config), "feeds", names.index(name), switch)
        return Change.of(config, edited, config, self._source.env)

    async def _export(self, request: Request) -> Response:
        listed = [
            OpmlFeed(feed.key, feed.name, feed.tags)
            for feed in self._source.watching().feeds.values()
            if urlsplit(feed.key).scheme in ("http", "https")
        ]
        now = self._source.clock.now()
        body = await asyncio.to_thread(write_opml, listed, title="newswatch feeds", now=now)
        name = {"content-disposition": 'attachment; filename="newswatch-feeds.opml"'}
        return Response(body, media_type="text/x-opml", headers=name)


# Ten thousand feeds are looked through for each page and a hundred shown. What is chosen are the
# feeds themselves (for paused ones their names): new tuples for all would set off the collection of
# garbage, which takes a quarter of a second over a configuration of that size.


def _chosen(
    feeds: Mapping[str, Feed],
    hows: Sequence[str],
    states: Mapping[str, FeedState],
    paused: Sequence[str],
    q: str,
    show: str,
    sort: str,
) -> list[Feed | str]:
    wanted = q.strip().casefold()
    by_how: dict[str, list[Feed | str]] = {how: [] for how in STATES}
    for feed, how in zip(feeds.values(), hows, strict=True):
        if not wanted or _has(feed, wanted):
            by_how[how].append(feed)
    by_how["paused"] += [name for name in paused if wanted in name.casefold()]
    found = [each for how in STATES if show in (how, "all") for each in by_how[how]]

    def state(each: Feed | str) -> FeedState | None:
        return None if isinstance(each, str) else states.get(each.key)

    match sort:
        case "name":
            found.sort(key=lambda each: (each if isinstance(each, str) else each.name).casefold())
        case "newest entry":
            found.sort(key=lambda each: _newest(state(each)) or _LONG_AGO, reverse=True)
        case "busiest":
            found.sort(key=lambda each: _rate(state(each)), reverse=True)
    return found


def _has(feed: Feed, wanted: str) -> bool:
    if wanted in feed.name.casefold() or wanted in feed.key.casefold():
        return True
    return wanted in feed.tags


def _line(each: Feed | str, states: Mapping[str, FeedState]) -> Line:
    if isinstance(each, str):
        return Line("paused", each)
    state = states.get(each.key)
    return Line(fares(state), each.name, each, state)


def _newest(state: FeedState | None) -> datetime | None:
    if state is None:
        return None
    try:
        return datetime.fromisoformat(str(state.extra["newest"]))
    except (KeyError, ValueError):
        return state.last_new_at


def _rate(state: FeedState | None) -> float:
    """Return how many entries a day a feed brings, 0 where it isn't known."""
    return (rhythm.per_day(state.extra.get("rhythm")) if state else None) or 0.0
