"""Writes docs/reference/commands.md from the commands themselves.

``python -m monitor.cli.reference`` prints it; a test fails when the committed page is stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from inspect import cleandoc

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
    return "\n".join([HEADER, *_sections(context)]).rstrip() + "\n"


def commands(
    group: click.Group, context: click.Context
) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield every command that does something, with its context, in the order of the help page."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from commands(command, inner)
        else:
            yield command, inner


def usage(command: click.Command, context: click.Context) -> str:
    """Return how a command is called: "newswatch feeds add [OPTIONS] SITE"."""
    return " ".join([context.command_path, *command.collect_usage_pieces(context)])


def option_text(parameter: click.Parameter) -> tuple[list[str], str] | None:
    """Return an option's names and what it means, choices and default included; None where there is
    nothing to say."""
    if not isinstance(parameter, click.Option) or parameter.hidden or "--help" in parameter.opts:
        return None
    meaning = (parameter.help or "").strip()
    if isinstance(parameter.type, click.Choice):
        meaning += " One of " + ", ".join(f"`{choice}`" for choice in parameter.type.choices) + "."
    if parameter.show_default and parameter.default is not None:
        shown = parameter.default
        if isinstance(shown, timedelta):
            shown = f"{shown.days}d"
        meaning += f" Default: `{shown}`."
    return [*parameter.opts, *parameter.secondary_opts], meaning.strip()


def _sections(context: click.Context) -> Iterator[str]:
    for command, inner in commands(app, context):
        yield f"## `{inner.command_path}`\n"
        yield _help(command) + "\n"
        yield f"```text\n{usage(command, inner)}\n```\n"
        rows = [_row(*shown) for each in command.get_params(inner) if (shown := option_text(each))]
        if rows:
            yield "| option | meaning |\n|---|---|\n" + "\n".join(rows) + "\n"


def paragraphs(command: click.Command) -> Iterator[tuple[str, bool]]:
    """Yield the paragraphs of a command's help, and whether each is a table (after ``\\b``)."""
    for part in cleandoc(command.help or "").split("\n\n"):
        body = part.removeprefix("\b\n")
        yield (body, True) if body != part else (" ".join(part.split()), False)


def _help(command: click.Command) -> str:
    return "\n\n".join(
        f"```text\n{text}\n```" if table else text for text, table in paragraphs(command)
    )


def _row(names: list[str], meaning: str) -> str:
    shown = ", ".join(f"`{name}`" for name in names)
    return f"| {shown} | {meaning.replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    click.echo(page(), nl=False)
