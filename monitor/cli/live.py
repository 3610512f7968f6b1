"""`check --live`: fetch every feed once and say what would match now. Stores and posts nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from monitor.cli.common import Watch, glance
from monitor.clock import Clock, SystemClock
from monitor.config.load import feeds
from monitor.delivery.build import build_senders
from monitor.delivery.preflight import refused_channels, refused_token
from monitor.errors import ParseError, Problem
from monitor.pipeline.documents import document_of
from monitor.sources.fetch import Fetcher
from monitor.sources.parse import ParsePool
from monitor.values import Feed

_AT_ONCE = 32
_SHOWN = 20  # matching stories listed


@dataclass(frozen=True, slots=True)
class FeedLook:
    """What one feed looks like right now. ``matching`` are (rule, title) pairs."""

    feed: Feed
    ok: bool
    status: str
    entries: int = 0
    newest: datetime | None = None
    matching: tuple[tuple[str, str], ...] = ()


async def look_at_feeds(watch: Watch, console: Console) -> tuple[FeedLook, ...]:
    """Fetch and match every enabled feed; progress goes to ``console``."""
    clock = SystemClock()
    chosen = feeds(watch.loaded)
    fetcher = Fetcher(
        watch.loaded.settings.network, clock, config_dir=watch.loaded.path.resolve().parent
    )
    parser = ParsePool()
    limit = asyncio.Semaphore(_AT_ONCE)
    try:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("Fetching feeds", total=len(chosen))

            async def look(feed: Feed) -> FeedLook:
                async with limit:
                    found = await _look(feed, watch, fetcher, parser, clock)
                progress.advance(task)
                return found

            return tuple(await asyncio.gather(*(look(feed) for feed in chosen)))
    finally:
        await parser.aclose()
        await fetcher.aclose()


async def _look(
    feed: Feed, watch: Watch, fetcher: Fetcher, parser: ParsePool, clock: Clock
) -> FeedLook:
    outcome = await fetcher.fetch(feed)
    if outcome.status != "ok":
        return FeedLook(feed, False, outcome.message)
    try:
        parsed = await parser.parse(
            outcome.body, content_type=outcome.content_type, url=outcome.url
        )
    except ParseError as error:
        return FeedLook(feed, False, str(error))
    now = clock.now()
    ruleset = watch.compiled.ruleset
    documents = [
        document_of(str(number), feed, parsed, entry, now)
        for number, entry in enumerate(parsed.entries)
    ]
    matching = [
        (match.rule, document.title) for document in documents for match in ruleset.match(document)
    ]
    newest = max((each.published for each in documents if each.published), default=None)
    return FeedLook(feed, True, "ok", len(documents), newest, tuple(matching))


async def look_at_channels(watch: Watch) -> tuple[Problem, ...]:
    """Ask Slack for the token and the channels; returns what it refuses, with places."""
    senders = build_senders(watch.loaded.settings)
    place = watch.loaded.positions.place
    try:
        if refusal := await refused_token(senders):
            message = f"Slack refuses the token: {refusal.reason}"
            return (Problem(message, place(("slack", "token")), refusal.hint),)
        return tuple(
            Problem(
                f"Slack refuses the channel {each.channel}: {each.reason}",
                place(("channels", each.channel or "")),
                each.hint,
            )
            for each in await refused_channels(senders)
        )
    finally:
        for sender in senders.values():
            await sender.aclose()


def show_feeds(looks: Sequence[FeedLook], console: Console) -> None:
    """Print the feeds as a table, then the stories that would match now."""
    now = SystemClock().now()
    table = Table(title="Feeds", title_justify="left")
    for heading in ("feed", "status", "entries", "newest", "would match"):
        table.add_column(heading, justify="right" if heading in ("entries",) else "left")
    for look in looks:
        table.add_row(
            look.feed.name,
            look.status if look.ok else f"[red]{_plain(look.status)}[/red]",
            str(look.entries) if look.ok else "",
            glance(look.newest, now) if look.ok else "",
            str(len(look.matching)) if look.ok else "",
        )
    console.print(table)
    pairs = list(dict.fromkeys(pair for look in looks for pair in look.matching))
    if not pairs:
        console.print("Nothing in these feeds matches a rule right now.")
        return
    stories = Table(title="Would match now", title_justify="left")
    stories.add_column("rule")
    stories.add_column("story")
    for rule, title in pairs[:_SHOWN]:
        stories.add_row(_plain(rule), _plain(title))
    console.print(stories)
    if len(pairs) > _SHOWN:
        console.print(f"… and {len(pairs) - _SHOWN} more.")


def _plain(text: str) -> str:
    """Return feed text for Rich: no markup, no control characters."""
    return "".join(c for c in text if c.isprintable()).replace("[", "\\[")
