"""`parse` and `extract`: what the bot reads of a feed or an article, without any configuration.

Their JSON lines are a stable machine interface (docs/reference/machine-interfaces.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import click
from rich.table import Table
from rich.text import Text

from monitor.cli.common import emit, json_option, run_async, stdout_console
from monitor.clock import SystemClock
from monitor.config.models import NetworkSettings
from monitor.errors import EXIT_FINDINGS, FetchError, NewswatchError, ParseError
from monitor.sources.fetch import Fetcher
from monitor.sources.parse import ParsePool
from monitor.values import Entry, Feed, ParsedFeed

if TYPE_CHECKING:
    from monitor.sources.extract import Article

_FILE_LIMIT = 20 * 1024 * 1024  # bytes; the same bound as for a fetched body
_WALL = timedelta(seconds=20)  # one document at a time, and somebody is waiting for it


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


@dataclass(frozen=True, slots=True)
class Body:
    """What was read of one input; ``url`` is where it came from, None for a file."""

    data: bytes
    content_type: str | None = None
    url: str | None = None


class Reader:
    """Reads files and URLs; the network part starts with the first URL."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._allow = list(allow)
        self._fetcher: Fetcher | None = None

    async def read(self, source: str) -> Body:
        """Return the body of a file or URL; raises ``FetchError`` with the reason."""
        scheme = urlsplit(source).scheme.lower() if "://" in source else ""
        if scheme in ("http", "https"):
            return await self._fetch(source)
        if scheme not in ("", "file"):
            raise FetchError(f"{scheme}:// can't be read; give a file, or an http(s) address")
        path = Path(unquote(urlsplit(source).path)) if scheme else Path(source)
        return Body(_read_file(path))

    async def aclose(self) -> None:
        if self._fetcher is not None:
            await self._fetcher.aclose()

    async def _fetch(self, url: str) -> Body:
        if self._fetcher is None:
            self._fetcher = Fetcher(
                NetworkSettings(allow=self._allow), SystemClock(), config_dir=Path.cwd()
            )
        outcome = await self._fetcher.fetch(Feed(key=url, url=url, name=url))
        if outcome.status != "ok":
            raise FetchError(outcome.message, outcome.reason or "error")
        return Body(outcome.body, outcome.content_type, outcome.url)


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
            pool = ParsePool(wall=_WALL, max_entries=None, clean=False)
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


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as source:
            data = source.read(_FILE_LIMIT + 1)
    except OSError as error:
        raise FetchError(f"{path} can't be read: {error.strerror}", "no_file") from None
    except ValueError as error:  # a NUL in the path
        raise FetchError(f"{path!s} can't be read: {error}", "no_file") from None
    if len(data) > _FILE_LIMIT:
        raise FetchError(f"{path} is larger than {_FILE_LIMIT // 1024**2} MiB", "too_large")
    return data
