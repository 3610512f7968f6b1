"""What every command shares: the configuration option, opening the store, output, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from monitor.clock import Clock, SystemClock
from monitor.config.load import Loaded, load
from monitor.errors import Problem
from monitor.loading import compiled_watch, rule_problems, state_target
from monitor.rules import Compiled, compile_rules
from monitor.rules.text import search_tokens
from monitor.store.port import Store

T = TypeVar("T")

config_option = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=Path("config.yaml"),
    show_default=True,
    help="The configuration file.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Machine output only: one JSON document a line."
)


@dataclass(frozen=True, slots=True)
class Watch:
    """A configuration that loaded and compiled, with its warnings and notes."""

    loaded: Loaded
    compiled: Compiled
    problems: tuple[Problem, ...]


def load_watch(path: Path, *, tolerant: bool = False, lenient: bool = False) -> Watch:
    """Load and compile the configuration; raises ``ConfigError`` with every error found.

    ``tolerant`` leaves broken rules out instead (for commands that only read the store);
    ``lenient`` only warns of a rule that asks for nothing but ``none``.
    """
    loaded = load(path, os.environ)
    if tolerant:
        compiled = compile_rules(loaded.settings)
        return Watch(loaded, compiled, loaded.warnings + rule_problems(loaded, compiled))
    compiled, problems = compiled_watch(loaded, lenient=lenient)
    return Watch(loaded, compiled, problems)


@asynccontextmanager
async def opened_store(loaded: Loaded, clock: Clock | None = None) -> AsyncIterator[Store]:
    """Open the configured store, and close it at the end. Takes no lock: a daemon may run.

    It isn't looked through for damage: that reads the whole file, and the daemon does it.
    """
    from monitor.store import open_store

    clock = clock or SystemClock()
    store = await open_store(
        state_target(loaded), now=clock.now(), tokenize=search_tokens, check=False
    )
    try:
        yield store
    finally:
        await store.close()


def run_async(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's coroutine."""
    return asyncio.run(main())


def emit(value: object) -> None:
    """Write one JSON document as one line, flushed.

    ASCII only: U+2028 or a lone surrogate from a feed must not end a line or break the encoding.
    """
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def say(problems: Iterable[Problem]) -> None:
    """Write problems to stderr, one line each, with their excerpt beneath."""
    for problem in problems:
        click.echo(str(problem), err=True)
        if problem.excerpt:
            click.echo(problem.excerpt, err=True)


def stdout_console() -> Console:
    """Return the console for human output: tables keep their width when piped."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=140)


_SPAN = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Span(click.ParamType[timedelta]):
    """A duration such as ``7d`` or ``2h``."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _SPAN.fullmatch(str(value).strip())
        if not found:
            self.fail(f"{value!r} is not a duration: write 30m, 2h, 7d", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


def glance(moment: Any, now: Any) -> str:
    """Return how long ago or how soon, in one unit ("3 h ago", "in 5 min", "never")."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if size >= length:
            amount = f"{int(size // length)} {unit}"
            break
    else:
        amount = f"{int(size)} s"
    return f"{amount} ago" if seconds >= 0 else f"in {amount}"
