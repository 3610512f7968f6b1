"""`parse` and `extract`: what the bot reads of a feed or an article, without any configuration.

Their JSON lines are a stable machine interface (docs/reference/machine-interfaces.md).
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from monitor.cli.common import emit, json_option, run_async, stdout_console
from monitor.errors import EXIT_FINDINGS, FetchError, NewswatchError, ParseError
from monitor.sources.parse import ParsePool
from monitor.sources.reader import Reader
from monitor.values import Entry, ParsedFeed

if TYPE_CHECKING:
    from monitor.sources.extract import Article

_LIMIT = timedelta(seconds=20)  # one document at a time, and somebody is waiting for it


def _networks(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    """Refuse what is no range of addresses."""
    for value in values:
        try:
            ip_network(value)
        except ValueError as error:
            raise click.BadParameter(f"{error}; write it like 10.0.0.0/8") from None
    return values


inputs_argument = click.argument("inputs", metavar="FILE|URL...", nargs=-1, required=True)
allow_option = click.option(
    "--allow",
    metavar="CIDR",
    multiple=True,
    callback=_networks,
    help="A range of private addresses that may be fetched from; repeatable.",
)


@click.command()
@inputs_argument
@allow_option
@json_option
def parse(inputs: tuple[str, ...], allow: tuple[str, ...], as_json: bool) -> None:
    """Show what is read of each feed: every entry, as plain text with its times in UTC."""

    async def main() -> int:
        failed = 0
        async with AsyncExitStack() as stack:
            reader = Reader(allow)
            stack.push_async_callback(reader.aclose)
            pool = ParsePool(limit=_LIMIT, max_entries=None, clean=False)
            stack.push_async_callback(pool.aclose)
            for source in inputs:
                try:
                    body = await reader.read(source)
                    feed = await pool.parse(body.data, content_type=body.content_type, url=body.url)
                except (FetchError, ParseError) as error:
                    failed += 1
                    _fail(source, error, as_json)
                    continue
                if as_json:
                    emit(parsed_to_json(source, feed))
                else:
                    _show(source, feed)
        return failed

    failed = run_async(main)
    if failed and not as_json:
        raise SystemExit(EXIT_FINDINGS)


def parsed_to_json(source: str, feed: ParsedFeed) -> dict[str, Any]:
    """Return the machine interface's document for one input."""
    return {
        "input": source,
        "feed": {
            "title": feed.title,
            "url": feed.url,
            "site_url": feed.site_url,
            "language": feed.language,
            "ttl": feed.ttl,
        },
        "entries": [_entry_to_json(entry) for entry in feed.entries],
    }


@click.command()
@inputs_argument
@allow_option
@json_option
def extract(inputs: tuple[str, ...], allow: tuple[str, ...], as_json: bool) -> None:
    """Show the article of each page: its text without menus, sidebars and comments."""

    async def main() -> int:
        failed = 0
        async with AsyncExitStack() as stack:
            reader = Reader(allow)
            stack.push_async_callback(reader.aclose)
            pool = ParsePool()
            stack.push_async_callback(pool.aclose)
            for source in inputs:
                try:
                    body = await reader.read(source)
                    article = await pool.extract(
                        body.data, content_type=body.content_type, url=body.url
                    )
                except (FetchError, ParseError) as error:
                    failed += 1
                    _fail(source, error, as_json)
                    continue
                if as_json:
                    emit(article_to_json(source, article))
                else:
                    _show_article(article)
        return failed

    failed = run_async(main)
    if failed and not as_json:
        raise SystemExit(EXIT_FINDINGS)


def article_to_json(source: str, article: Article) -> dict[str, Any]:
    """Return the machine interface's document for one page."""
    return {
        "input": source,
        "title": article.title,
        "text": article.text,
        "published": _time(article.published),
        "language": article.language,
        "site": article.site,
    }


def _show_article(article: Article) -> None:
    console = stdout_console()
    console.print(Text(article.title or "(no title)", style="bold"))
    when = f"{article.published:%Y-%m-%d %H:%M} UTC" if article.published else ""
    facts = [article.site or "", when, article.language or ""]
    console.print(Text(" · ".join(fact for fact in facts if fact), style="dim"))
    console.print()
    console.print(Text(article.text))


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.raw_id,
        "url": entry.url,
        "title": entry.title,
        "summary": entry.summary,
        "content": entry.content,
        "published": _time(entry.published),
        "updated": _time(entry.updated),
        "authors": list(entry.authors),
        "categories": list(entry.categories),
        "language": entry.language,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)


def _fail(source: str, error: NewswatchError, as_json: bool) -> None:
    if as_json:
        emit({"input": source, "error": str(error)})
    else:
        click.echo(f"{source}: {error}", err=True)


def _show(source: str, feed: ParsedFeed) -> None:
    console = stdout_console()
    console.print(Text(feed.title or source, style="bold"))
    facts = [f"{len(feed.entries)} entries", feed.site_url or "", feed.language or ""]
    console.print(Text(" · ".join(fact for fact in facts if fact), style="dim"))
    table = Table("published (UTC)", "title", "text", "url", expand=True)
    for entry in feed.entries:
        when = f"{entry.published:%Y-%m-%d %H:%M}" if entry.published else "—"
        words = len((entry.content or entry.summary).split())
        link = Text(entry.url or "—", overflow="ellipsis", no_wrap=True)
        table.add_row(when, Text(entry.title), f"{words} words", link)
    console.print(table)
    for note in feed.notes:
        console.print(Text(f"note: {note}", style="yellow"))
