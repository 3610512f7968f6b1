"""`completion`: what a shell needs to complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from monitor.errors import UsageError


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell (bash from 4.4).

    \b
    bash  newswatch completion bash > ~/.local/share/bash-completion/completions/newswatch
    zsh   newswatch completion zsh > "${fpath[1]}/_newswatch"
    fish  newswatch completion fish > ~/.config/fish/completions/newswatch.fish
    """
    made = get_completion_class(shell)
    if made is None:
        raise UsageError(f"no completion for {shell} in this version of click")
    click.echo(made(ctx.find_root().command, {}, "newswatch", "_NEWSWATCH_COMPLETE").source())
