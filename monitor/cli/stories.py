"""`replay` and `match`: stories as JSON lines in, decisions as JSON lines out.

Both need no feeds, token, state, lock or network; their lines are a stable machine interface
(docs/reference/machine-interfaces.md).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any

import click

from monitor.cli.common import config_option, emit, json_option, load_watch, run_async
from monitor.errors import UsageError
from monitor.rules import plain
from monitor.values import Document, Match

_CHUNK = 256  # stories matched together; lines out follow as soon as their chunk is done


@dataclass(frozen=True, slots=True)
class Line:
    """One input line: its id as given, and its document or what is wrong with it."""

    id: Any
    number: int
    document: Document | None
    error: str = ""


def _texts(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(str(each) for each in value)
    return (str(value),)


def _text(story: Mapping[str, Any], key: str) -> str | None:
    value = story.get(key)
    if value is None:
        return None
    if isinstance(value, list | dict):
        raise ValueError(f"{key!r} must be text, not {type(value).__name__}")
    return str(value)


def _moment(value: object) -> datetime | None:
    """Return a story's date, or None: like a feed's, a date that can't be read is no evidence."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, OSError, ValueError):
            return None
    if not isinstance(value, str):
        return None
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(value.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def read_story(line: str, number: int) -> Line:
    """Return the document that one line of JSON describes, or what is wrong with the line."""
    try:
        story = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Line(None, number, None, f"line {number} is not JSON: {error}")
    if not isinstance(story, dict):
        return Line(None, number, None, f"line {number} is not a JSON object")
    ident = story.get("id")
    if ident is None or isinstance(ident, list | dict):
        return Line(None, number, None, f"line {number} has no id")
    try:
        document = Document(
            id=str(ident),
            title=_text(story, "title") or "",
            summary=_text(story, "summary") or "",
            content=_text(story, "content") or "",
            url=_text(story, "url"),
            source=_text(story, "source"),
            feed=_text(story, "feed"),
            authors=_texts(story.get("author", story.get("authors"))),
            tags=_texts(story.get("tags")),
            categories=_texts(story.get("category", story.get("categories"))),
            language=_text(story, "language"),
            country=_text(story, "country"),
            published=_moment(story.get("published")),
        )
    except ValueError as error:
        return Line(ident, number, None, str(error))
    return Line(ident, number, document)


def read_stories(source: IO[str]) -> Iterator[Line]:
    """Yield one Line for each non-empty line."""
    for number, line in enumerate(source, 1):
        if line.strip():
            yield read_story(line, number)


def opened(path: Path | None) -> IO[str]:
    """Open a file of stories (stdin for none or ``-``); lines end in \\n only."""
    if path is None or str(path) == "-":
        return open(sys.stdin.fileno(), encoding="utf-8", errors="replace", newline="\n")
    try:
        return path.open(encoding="utf-8", errors="replace", newline="\n")
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}") from None


def failure(line: Line) -> dict[str, Any]:
    """Return the output line for an input that failed."""
    if line.id is None:
        return {"input": line.number, "error": line.error}
    return {"id": line.id, "error": line.error}


def match_json(match: Match) -> dict[str, Any]:
    """Return a match as the machine interfaces give it."""
    return {
        "rule": match.rule,
        "score": round(match.score, 4),
        "hits": [
            {
                "term": hit.term,
                "entity": hit.entity,
                "field": hit.field,
                "start": hit.start,
                "end": hit.end,
                "text": hit.text,
            }
            for hit in match.hits
        ],
    }


@click.command()
@click.argument("stories", type=click.Path(path_type=Path), required=False)
@config_option
@json_option
def match(stories: Path | None, config_path: Path, as_json: bool) -> None:
    """Match stories (JSON lines, from a file or stdin) against the rules: the bare engine."""
    ruleset = load_watch(config_path, lenient=True).compiled.ruleset
    chunk: list[Line] = []

    def flush() -> None:
        documents = [line.document for line in chunk if line.document is not None]
        matched = iter(ruleset.match_many([plain(document) for document in documents]))
        out = []
        for line in chunk:
            if line.document is None:
                out.append(failure(line) if as_json else {"error": line.error})
                continue
            rules = [match_json(each) for each in next(matched)]
            out.append({"id": line.id, "rules": rules})
        for each in out:
            if as_json:
                sys.stdout.write(json.dumps(each) + "\n")
            else:
                _say_match(each)
        sys.stdout.flush()
        chunk.clear()

    with opened(stories) as source:
        for line in read_stories(source):
            chunk.append(line)
            if len(chunk) >= _CHUNK:
                flush()
    flush()


def _say_match(line: Mapping[str, Any]) -> None:
    if "error" in line:
        click.echo(f"error: {line['error']}", err=True)
        return
    names = ", ".join(f"{each['rule']} ({each['score']:.2f})" for each in line["rules"])
    click.echo(f"{line['id']}\t{names or '-'}")


@click.command()
@click.argument("stories", type=click.Path(path_type=Path), required=False)
@config_option
@json_option
@click.option(
    "--state",
    "state",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep stories and alerts in this directory between calls.",
)
def replay(stories: Path | None, config_path: Path, as_json: bool, state: Path | None) -> None:
    """Run stories through matching, story identity and alert decisions, as the daemon would."""
    from monitor.review.replay import Replay, replaying

    watch = load_watch(config_path, lenient=True)
    with opened(stories) as source:
        lines = list(read_stories(source))

    async def main() -> None:
        async with replaying(watch.loaded.settings, watch.compiled.ruleset, state) as run:
            run.start_at(next((d.published for d in _documents(lines) if d.published), None))
            for line in lines:
                if line.document is None:
                    _show(failure(line), as_json)
                    continue
                result = await run.take(line.document)
                _show({"id": line.id, **_result_json(result)}, as_json)

    def _result_json(result: Replay) -> dict[str, Any]:
        return {
            "rules": [match_json(each) for each in result.matches],
            "duplicate_of": result.duplicate_of,
            "story": result.story,
            "entities": list(result.entities),
            "summary": result.summary,
            "alert": result.alert,
        }

    run_async(main)


def _documents(lines: list[Line]) -> Iterator[Document]:
    return (line.document for line in lines if line.document is not None)


def _show(line: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit(line)
    elif "error" in line:
        click.echo(f"error: {line['error']}", err=True)
    else:
        rules = ", ".join(each["rule"] for each in line["rules"]) or "-"
        click.echo(f"{line['alert']:<6} {line['id']}\tstory {line['story']}\t{rules}")
