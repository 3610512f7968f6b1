"""`rules import`: rules and feeds of other programs, shown as a diff, written on request."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from monitor.cli.common import config_option, emit, json_option, load_watch
from monitor.cli.explain import vetoes
from monitor.cli.rules import rules
from monitor.config.additions import Additions, with_additions
from monitor.config.edit import text_of, validate, write
from monitor.config.load import feeds as configured_feeds
from monitor.config.models import RuleSettings, Settings
from monitor.errors import EXIT_FINDINGS, UsageError
from monitor.importers import IMPORTERS, Brought, BroughtRule
from monitor.rules import compile_rules

__all__ = ["rules", "vetoes"]


@rules.command(name="import")
@click.argument("file", type=click.File(encoding="utf-8-sig"))
@click.option(
    "--from",
    "source",
    type=click.Choice(list(IMPORTERS)),
    required=True,
    help="Whose file it is.",
)
@config_option
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    help="A file that the configuration includes, for rules and lists (default: itself).",
)
@click.option("--write", "do_write", is_flag=True, help="Write it; else only the diff is shown.")
@json_option
@click.pass_context
def import_(
    ctx: click.Context,
    file: TextIO,
    source: str,
    config_path: Path,
    into: Path | None,
    do_write: bool,
    as_json: bool,
) -> None:
    """Bring rules over from another program or vendor, and say what means something else here.

    \b
    factiva, lexis, meltwater  queries, one a line; `NAME: query` names the rule
    google-alerts              queries, one a line, each with its feed's address if it has one
    miniflux                   keep and block rules: JSON of /v1/feeds and /v1/me, or the text
    monitorss                  filters: the JSON of an expression, a connection or a feed
    trendradar                 frequency_words.txt

    Shows the diff. Exits 1 when something could not be carried over.
    """
    try:
        brought = IMPORTERS[source](file.read())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file.name}: {error}") from None
    settings, known = Settings.model_validate({}), set[str]()
    if config_path.exists():
        loaded = load_watch(config_path, tolerant=True).loaded
        settings, known = loaded.settings, {feed.key for feed in configured_feeds(loaded)}
    errors = _errors(settings, brought)
    names = {rule.name for rule in settings.rules}
    kept = [each for each in brought.rules if each.name not in names and not errors[each.name]]
    additions = Additions(
        [each.rule for each in kept],
        [each.comment() for each in kept],
        [feed for feed in brought.feeds if feed["url"] not in known],
        _missing(settings.lists, brought.lists),
        _missing(settings.ignore, brought.ignore),
    )
    if as_json:
        _emit(brought, errors)
    else:
        _say(brought, errors, names)
    edited = _edited(config_path, into, additions)
    if not as_json:
        for path, before, after in edited:
            diff = difflib.unified_diff(
                before.splitlines(), after.splitlines(), str(path), f"{path} (new)", lineterm=""
            )
            click.echo("\n".join(diff))
        click.echo(_summary(additions, len(brought.rules) - len(kept), do_write), err=True)
    for path, _, after in edited if do_write else ():
        write(path, after)
    lost = brought.lost or any(each.lost for each in brought.rules) or any(errors.values())
    ctx.exit(EXIT_FINDINGS if lost else 0)


def _errors(settings: Settings, brought: Brought) -> dict[str, list[str]]:
    """Return what keeps each rule from compiling, by its name."""
    whole = settings.model_copy(
        update={
            "rules": [RuleSettings.model_validate(each.rule) for each in brought.rules],
            "lists": {**settings.lists, **{k: list(v) for k, v in brought.lists.items()}},
        }
    )
    found: dict[str, list[str]] = {each.name: [] for each in brought.rules}
    for problem in compile_rules(whole).problems:
        if problem.level == "error" and problem.path[:1] == ("rules",):
            hint = f" ({problem.hint})" if problem.hint else ""
            found[brought.rules[int(problem.path[1])].name].append(problem.message + hint)
    return found


def _missing(
    there: Mapping[str, Sequence[str]], new: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """Return of ``new`` what is not ``there``."""
    lacking = {
        name: [item for item in items if item not in there.get(name, ())]
        for name, items in new.items()
    }
    return {name: items for name, items in lacking.items() if items}


def _edited(
    config_path: Path, into: Path | None, additions: Additions
) -> list[tuple[Path, str, str]]:
    """Return (file, text, new text) of the files that would change; raises ``ConfigError``."""
    if not additions:
        return []
    here, there = additions, Additions()
    if into is not None and into.resolve() != config_path.resolve():
        # Feeds stand in the main file only.
        here = Additions(feeds=additions.feeds)
        there = Additions(
            additions.rules, additions.comments, (), additions.lists, additions.ignore
        )
    out = []
    for path, part in ((config_path, here), (into, there)):
        if path is None or not part:
            continue
        before = text_of(path)
        after = with_additions(path, before, part)
        validate(path, after, config_path, os.environ)
        out.append((path, before, after))
    return out


def _say(brought: Brought, errors: Mapping[str, Sequence[str]], names: set[str]) -> None:
    for note in brought.notes:
        click.echo(f"note: {note}")
    for each in brought.rules:
        there = ": there is a rule of that name already, left alone" if each.name in names else ""
        click.echo(f"{each.place}: {each.name!r}{there}")
        for label, lines in (
            ("changed", each.changes),
            ("not carried over", each.lost),
            ("error", errors[each.name]),
        ):
            for line in lines:
                click.echo(f"    {label}: {line}")
    for line in brought.lost:
        click.echo(f"not carried over: {line}")


def _emit(brought: Brought, errors: Mapping[str, Sequence[str]]) -> None:
    for each in brought.rules:
        emit(_row(each, errors[each.name]))
    rest: dict[str, Any] = {
        "feeds": [dict(feed) for feed in brought.feeds],
        "lists": {name: list(items) for name, items in brought.lists.items()},
        "ignore": {name: list(items) for name, items in brought.ignore.items()},
        "lost": list(brought.lost),
    }
    if any(rest.values()):
        emit({**rest, "notes": list(brought.notes)})


def _row(each: BroughtRule, errors: Sequence[str]) -> dict[str, Any]:
    return {
        "name": each.name,
        "place": each.place,
        "source": each.source,
        "rule": dict(each.rule),
        "query": each.rule.get("match"),
        "changes": list(each.changes),
        "lost": list(each.lost),
        "errors": list(errors),
    }


def _summary(additions: Additions, left: int, written: bool) -> str:
    counts = [f"{len(additions.rules)} rules", f"{len(additions.feeds)} feeds"]
    more = f", {left} left out" if left else ""
    end = "written" if written else "nothing is written yet: --write does it"
    return f"{' and '.join(counts)}{more}; {end}"
