"""Writes docs/reference/commands.md from the commands themselves.

``python -m monitor.cli.reference`` prints it; a test fails when the committed page is stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import click

from monitor.cli.app import app

HEADER = """# Commands

`newswatch COMMAND` after `pip install`, or `python bot.py COMMAND` from a checkout. This page is
generated from the commands' own help. Exit codes and machine output:
[Machine interfaces](machine-interfaces.md).
"""


def page() -> str:
    """Return the whole page as Markdown."""
    context = click.Context(app, info_name="newswatch")
    return "\n".join([HEADER, *_sections(app, context)]).rstrip() + "\n"


def _sections(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _sections(command, inner)
            continue
        yield f"## `{inner.command_path}`\n"
        yield (command.help or "").replace("\b\n", "").strip() + "\n"
        yield f"```text\n{_usage(command, inner)}\n```\n"
        rows = [row for row in map(_row, command.get_params(inner)) if row]
        if rows:
            yield "| option | meaning |\n|---|---|\n" + "\n".join(rows) + "\n"


def _usage(command: click.Command, context: click.Context) -> str:
    return " ".join([context.command_path, *command.collect_usage_pieces(context)])


def _row(parameter: click.Parameter) -> str:
    if not isinstance(parameter, click.Option) or parameter.hidden or "--help" in parameter.opts:
        return ""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    choices = ""
    if isinstance(parameter.type, click.Choice):
        choices = " One of " + ", ".join(f"`{choice}`" for choice in parameter.type.choices) + "."
    default = ""
    if parameter.show_default and parameter.default is not None:
        shown = parameter.default
        if isinstance(shown, timedelta):
            shown = f"{shown.days}d"
        default = f" Default: `{shown}`."
    return f"| {names} | {(parameter.help or '').strip()}{choices}{default} |"


if __name__ == "__main__":
    click.echo(page(), nl=False)
