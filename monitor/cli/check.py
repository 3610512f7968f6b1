"""`check`: say everything about a configuration before it runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from monitor.alerts.policy import findings
from monitor.cli.broad import too_broad
from monitor.cli.common import (
    Watch,
    config_option,
    emit,
    json_option,
    load_watch,
    run_async,
    say,
    stdout_console,
)
from monitor.config.lint import lint
from monitor.config.secrets import masked
from monitor.errors import EXIT_FINDINGS, EXIT_OK, EXIT_USAGE, ConfigError, Problem


@click.command()
@config_option
@json_option
@click.option(
    "--live",
    is_flag=True,
    help="Ask Slack for the channels and fetch every feed; show what would match now.",
)
@click.option(
    "--print-config",
    is_flag=True,
    help="Print the configuration as it is understood, secrets masked.",
)
def check(config_path: Path, as_json: bool, live: bool, print_config: bool) -> int:
    """Validate the configuration: every error and warning with its file, line and column.
    Where stories are stored, rules that would have fired too often in the last seven days are
    named.

    \b
    Exit code 0: fine; 1: warnings, or a feed that doesn't answer; 2: it can't be used.
    """
    try:
        watch = load_watch(config_path)
        if live:
            _ask_slack(watch)
    except ConfigError as error:
        if as_json:
            emit({"ok": False, "problems": [_as_data(problem) for problem in error.problems]})
        else:
            say(error.problems)
            count = sum(problem.level == "error" for problem in error.problems)
            click.echo(f"{config_path}: {count} error{'s'[: count != 1]}", err=True)
        return EXIT_USAGE
    policies = (Problem(each, level="warning") for each in findings(watch.loaded.settings))
    problems = (*watch.problems, *lint(watch.loaded), *policies, *too_broad(watch))
    warned = any(problem.level == "warning" for problem in problems)
    if as_json:
        answering = _live_as_data(watch) if live else None
        emit(_summary(watch, problems, answering, print_config=print_config))
        failing = any(not feed["ok"] for feed in answering or ())
    else:
        say(problems)
        failing = _live_as_table(watch) if live else False
        if print_config:
            click.echo(json.dumps(_settings(watch), indent=2, ensure_ascii=False))
        click.echo(_sentence(watch, problems))
    return EXIT_FINDINGS if warned or failing else EXIT_OK


def _as_data(problem: Problem) -> dict[str, object]:
    place = problem.place
    return {
        "level": problem.level,
        "message": problem.message,
        "hint": problem.hint or None,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "excerpt": problem.excerpt or None,
    }


def _counts(watch: Watch) -> dict[str, int]:
    settings = watch.loaded.settings
    return {
        "feeds": sum(feed.enabled for feed in settings.feeds),
        "rules": sum(rule.enabled for rule in settings.rules),
        "channels": sum(channel.enabled for channel in settings.channels.values()),
        "routes": sum(route.enabled for route in settings.routes),
    }


def _summary(
    watch: Watch,
    problems: tuple[Problem, ...],
    live: list[dict[str, object]] | None,
    *,
    print_config: bool,
) -> dict[str, object]:
    data: dict[str, object] = {
        "ok": True,
        "files": [str(file) for file in watch.loaded.files],
        **_counts(watch),
        "problems": [_as_data(problem) for problem in problems],
    }
    if live is not None:
        data["live"] = live
    if print_config:
        data["config"] = _settings(watch)
    return data


def _settings(watch: Watch) -> object:
    """Return the settings as data; what came in through variables is masked wherever it stands."""
    text = watch.loaded.settings.model_dump_json(by_alias=True)
    secrets = watch.loaded.secrets
    # As they stand inside JSON: a quote or a backslash in a password is escaped there.
    return json.loads(
        masked(text, {json.dumps(each, ensure_ascii=False)[1:-1] for each in secrets})
    )


def _ask_slack(watch: Watch) -> None:
    """Ask Slack for the token and the channels; raises ``ConfigError`` for what it refuses."""
    from monitor.cli.live import look_at_channels

    if refused := run_async(lambda: look_at_channels(watch)):
        raise ConfigError(refused)


def _live_as_data(watch: Watch) -> list[dict[str, object]]:
    from rich.console import Console

    from monitor.cli.live import look_at_feeds

    looks = run_async(lambda: look_at_feeds(watch, Console(stderr=True)))
    return [
        {
            "feed": look.feed.name,
            "key": look.feed.key,
            "ok": look.ok,
            "status": look.status,
            "entries": look.entries,
            "newest": look.newest.isoformat() if look.newest else None,
            "matching": [{"rule": rule, "title": title} for rule, title in look.matching],
        }
        for look in looks
    ]


def _live_as_table(watch: Watch) -> bool:
    """Show what the feeds answer now; returns whether one of them doesn't."""
    from rich.console import Console

    from monitor.cli.live import look_at_feeds, show_feeds

    looks = run_async(lambda: look_at_feeds(watch, Console(file=sys.stderr)))
    show_feeds(looks, stdout_console())
    return any(not look.ok for look in looks)


def _sentence(watch: Watch, problems: tuple[Problem, ...]) -> str:
    counts = ", ".join(
        f"{number} {noun if number != 1 else noun[:-1]}" for noun, number in _counts(watch).items()
    )
    warnings = sum(problem.level == "warning" for problem in problems)
    verdict = f"{warnings} warning{'s'[: warnings != 1]}" if warnings else "fine"
    return f"{watch.loaded.path}: {verdict} ({counts})"
