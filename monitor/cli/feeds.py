"""`feeds`: what is polled and how it goes; finding, adding, importing and exporting feeds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from rich.table import Table
from rich.text import Text

from monitor.cli.common import (
    config_option,
    emit,
    glance,
    json_option,
    opened_store,
    run_async,
    stdout_console,
)
from monitor.cli.parse import allow_option
from monitor.cli.workers import worker_json, workers_of, workers_table
from monitor.clock import SystemClock
from monitor.config.edit import append_feed, append_feeds
from monitor.config.load import feeds as configured_feeds
from monitor.config.load import load
from monitor.errors import EXIT_FINDINGS, UsageError
from monitor.loading import state_target
from monitor.sources.opml import (
    OpmlFeed,
    OpmlList,
    read_addresses,
    read_opml,
    setting_of,
    write_opml,
)
from monitor.sources.rhythm import from_text
from monitor.sources.site import Candidate, discover_feeds
from monitor.store.port import FeedState
from monitor.values import Feed

if TYPE_CHECKING:
    from monitor.store.postgres.cluster import WorkerRow


@click.group()
def feeds() -> None:
    """List, find, add, import and export feeds; see how their polls go."""


@feeds.command("list")
@config_option
@json_option
def list_(config_path: Path, as_json: bool) -> None:
    """List the configured feeds."""
    loaded = load(config_path, os.environ)
    table = Table("name", "url", "tags", "country", "every", "full text", "first run")
    for feed in configured_feeds(loaded):
        if as_json:
            emit(
                {
                    "name": feed.name,
                    "url": feed.key,
                    "tags": list(feed.tags),
                    "country": feed.country,
                    "language": feed.language,
                    "every": feed.every.total_seconds() if feed.every else None,
                    "full_text": feed.full_text,
                    "first_run": feed.first_run,
                }
            )
            continue
        table.add_row(
            Text(feed.name),
            Text(feed.key),
            Text(", ".join(feed.tags)),
            feed.country or "",
            _span(feed.every) if feed.every else "adaptive",
            feed.full_text,
            feed.first_run,
        )
    if not as_json:
        stdout_console().print(table)


@feeds.command()
@config_option
@json_option
def health(config_path: Path, as_json: bool) -> None:
    """Show how each feed's polls go, and a cluster's workers; exit code 1 when a feed is
    failing."""
    loaded = load(config_path, os.environ)

    async def states() -> tuple[Mapping[str, FeedState], Sequence[WorkerRow]]:
        async with opened_store(loaded) as store:
            return await store.feed_states(), await workers_of(store, state_target(loaded))

    known, workers = run_async(states)
    now = SystemClock().now()
    table = Table("feed", "status", "entries", "newest", "rhythm", "saved", "last poll", "next")
    failing = False
    for feed in configured_feeds(loaded):
        state = known.get(feed.key)
        facts = health_of(feed, state)
        failing = failing or bool(facts["failures"])
        if as_json:
            emit(facts)
            continue
        style = "red" if facts["failures"] else ""
        newest = facts["newest"]
        table.add_row(
            Text(feed.name),
            Text(str(facts["status"]), style=style),
            str(facts["entries"] if facts["entries"] is not None else "—"),
            glance(datetime.fromisoformat(newest), now) if isinstance(newest, str) else "—",
            f"{facts['per_day']:.1f} a day" if facts["per_day"] is not None else "—",
            _bytes(facts["bytes_saved"]),
            glance(state.last_poll_at if state else None, now),
            glance(state.next_at if state else None, now),
        )
    for worker in workers if as_json else ():
        emit(worker_json(worker))
    if not as_json:
        stdout_console().print(table)
        if workers:
            stdout_console().print(workers_table(workers, now))
    if failing:
        raise SystemExit(EXIT_FINDINGS)


def health_of(feed: Feed, state: FeedState | None) -> dict[str, Any]:
    """Return what is known of a feed's polls, as JSON values; times are RFC 3339."""
    extra = state.extra if state else {}
    rhythm = from_text(extra.get("rhythm"))
    return {
        "name": feed.name,
        "url": feed.key,
        "title": state.title if state else None,
        "status": state.last_status if state else "not polled yet",
        "failures": state.failures if state else 0,
        "disabled": state.disabled_reason if state else None,
        "moved_to": state.moved_to if state else None,
        "became": extra.get("became"),
        "entries": extra.get("entries"),
        "entries_seen": state.entries_seen if state else 0,
        "newest": extra.get("newest"),
        "per_day": round(rhythm.entries / rhythm.days, 2) if rhythm.days > 0 else None,
        "latency_s": extra.get("elapsed"),
        "polls": extra.get("polls", 0),
        "bytes_received": extra.get("received", 0),
        "bytes_saved": extra.get("spared", 0),
        "last_poll": _iso(state.last_poll_at if state else None),
        "last_ok": _iso(state.last_ok_at if state else None),
        "last_new": _iso(state.last_new_at if state else None),
        "next_poll": _iso(state.next_at if state else None),
    }


@feeds.command()
@click.argument("site")
@allow_option
@json_option
def discover(site: str, allow: tuple[str, ...], as_json: bool) -> None:
    """Find the feeds of a site; exit code 1 when there is none."""
    found = run_async(lambda: discover_feeds(site, allow))
    if as_json:
        for each in found:
            emit(each.as_json())
    else:
        _show(found)
    if not found:
        click.echo(f"{site}: no feed found; the site may name none", err=True)
        raise SystemExit(EXIT_FINDINGS)


@feeds.command()
@click.argument("site")
@config_option
@allow_option
@click.option("--name", help="What the feed is to be called (default: its title).")
@click.option("--tag", "tags", multiple=True, help="A tag for the feed; repeatable.")
def add(
    site: str, config_path: Path, allow: tuple[str, ...], name: str | None, tags: tuple[str, ...]
) -> None:
    """Add a feed, or the first feed a site names, to the configuration."""
    loaded = load(config_path, os.environ)
    ranges = (*allow, *loaded.settings.network.allow)
    found = run_async(lambda: discover_feeds(site, ranges))
    if not found:
        raise UsageError(f"{site}: no feed found; give the feed's own address")
    feed: dict[str, Any] = {"url": found[0].url}
    if label := (name or found[0].title):
        feed["name"] = label
    if tags:
        feed["tags"] = list(tags)
    append_feed(config_path, feed, env=os.environ)
    click.echo(f"added {found[0].url} ({found[0].entries} entries) to {config_path}")
    for each in found[1:]:
        click.echo(f"the site has another feed: {each.url} {each.title}", err=True)


@feeds.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@click.option("--dry-run", is_flag=True, help="Show what would be added; change nothing.")
def import_(file: Path, config_path: Path, dry_run: bool) -> None:
    """Add the feeds of an OPML file to the configuration; folders become tags. A text with an
    address on each line will do too."""
    loaded = load(config_path, os.environ)
    listed = _listed(_read(file))
    known = {feed.key for feed in configured_feeds(loaded)}
    names = {feed.name for feed in configured_feeds(loaded)}
    fresh = []
    for feed in listed.feeds:
        if feed.url in known:
            continue
        fresh.append(setting_of(feed, names))
    for address in listed.skipped:
        click.echo(f"skipped {address!r}: not an http(s) address", err=True)
    if fresh and not dry_run:
        append_feeds(config_path, fresh, env=os.environ)
    for each in fresh:
        click.echo(f"{'would add' if dry_run else 'added'} {each['url']}")
    old = len(listed.feeds) - len(fresh)
    click.echo(f"{len(fresh)} new, {old} known already, {len(listed.skipped)} skipped", err=True)


@feeds.command()
@config_option
@click.option("--output", "-o", type=click.Path(path_type=Path), help="A file (default: stdout).")
def export(config_path: Path, output: Path | None) -> None:
    """Write the configured feeds as OPML; tags become folders."""
    loaded = load(config_path, os.environ)
    listed = [
        OpmlFeed(feed.key, feed.name, feed.tags)
        for feed in configured_feeds(loaded)
        if urlsplit(feed.key).scheme in ("http", "https")
    ]
    text = write_opml(listed, title="newswatch feeds", now=SystemClock().now())
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"{output} can't be written: {error.strerror}") from None
    click.echo(f"{len(listed)} feeds written to {output}", err=True)


def _show(found: list[Candidate]) -> None:
    table = Table("url", "title", "entries", "newest")
    for each in found:
        newest = f"{each.newest:%Y-%m-%d %H:%M}" if each.newest else "—"
        table.add_row(Text(each.url), Text(each.title), str(each.entries), newest)
    if found:
        stdout_console().print(table)


def _listed(body: bytes) -> OpmlList:
    if not body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        listed = read_addresses(body.decode("utf-8", "replace"))
        if listed.feeds:
            return listed
    return read_opml(body)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{minutes} min"


def _bytes(size: Any) -> str:
    amount = float(size) if isinstance(size, int | float) else 0.0
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
