"""The command line: `newswatch COMMAND`, each command's module loaded only when it is called."""

from __future__ import annotations

from importlib import import_module

import click

from monitor import __version__

# command → "module:attribute"; the order is the order of the help page.
COMMANDS: dict[str, str] = {
    "run": "monitor.cli.run:run",
    "once": "monitor.cli.run:once",
    "worker": "monitor.cli.worker:worker",
    "demo": "monitor.cli.demo:demo",
    "init": "monitor.cli.init:init",
    "check": "monitor.cli.check:check",
    "test": "monitor.cli.rules:test",
    "try": "monitor.cli.rules:try_",
    "rules": "monitor.cli.imports:rules",
    "explain": "monitor.cli.explain:explain",
    "why-not": "monitor.cli.explain:why_not",
    "backtest": "monitor.cli.explain:backtest",
    "matches": "monitor.cli.matches:matches",
    "routes": "monitor.cli.routes:routes",
    "silence": "monitor.cli.silence:silence",
    "outbox": "monitor.cli.outbox:outbox",
    "db": "monitor.cli.db:db",
    "send-test": "monitor.cli.send_test:send_test",
    "match": "monitor.cli.stories:match",
    "replay": "monitor.cli.stories:replay",
    "parse": "monitor.cli.parse:parse",
    "extract": "monitor.cli.parse:extract",
    "feeds": "monitor.cli.feeds:feeds",
    "stats": "monitor.cli.stats:stats",
    "web": "monitor.cli.web:web",
    "completion": "monitor.cli.completion:completion",
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=LazyGroup)
@click.version_option(__version__, prog_name="newswatch")
def app() -> None:
    """Watch news feeds and post each matching story to Slack, once."""
