"""The commands: one module per command group, all behind ``main``."""

from __future__ import annotations

import os
import sys

import click

from monitor.cli.app import app
from monitor.errors import EXIT_USAGE, ConfigError, NewswatchError


def main() -> None:
    """Run the command line; every expected error is one clear line and an exit code."""
    try:
        code = app.main(prog_name="newswatch", standalone_mode=False)
    except ConfigError as error:
        from monitor.cli.common import say

        say(error.problems)
        code = error.exit_code
    except NewswatchError as error:
        click.echo(f"error: {error}", err=True)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        code = 130  # 128 + SIGINT, as shells report it
    except BrokenPipeError:
        # The reader went away (`… | head`); silence the interpreter's own flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
