"""Writes the manual page, deploy/newswatch.1, from the commands themselves.

``python -m monitor.cli.manual`` prints it; a test fails when the committed page is stale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from monitor import __version__
from monitor.cli.app import app
from monitor.cli.reference import commands, option_text, paragraphs, usage

_HEAD = r""".\" Written by python -m monitor.cli.manual, not by hand.
.TH NEWSWATCH 1 "" "newswatch {version}" "User Commands"
.SH NAME
newswatch \- watch news feeds and post each matching story to Slack, once
.SH SYNOPSIS
.B newswatch
.I COMMAND
[\fIOPTION\fR]... [\fIARGUMENT\fR]...
.SH DESCRIPTION
Polls RSS, Atom and JSON feeds, matches every new story against the rules of a YAML file, and posts
each matching story once to the right channel. The first steps:
.PP
.nf
.RS
newswatch demo
newswatch init
newswatch check \-\-live
newswatch run
.RE
.fi
.SH COMMANDS
"""
_TAIL = r""".SH EXIT STATUS
.TP
.B 0
Fine.
.TP
.B 1
Findings: something to look at, printed.
.TP
.B 2
A usage or configuration error: one line each on standard error.
.TP
.B 75
Try again later: another process holds the state directory.
.SH FILES
.TP
.I config.yaml
The configuration; another one with \fB\-\-config\fR.
.TP
.I state/newswatch.db
What has been seen and what is still to be delivered (\fBstate:\fR in the configuration).
.SH ENVIRONMENT
Variables that the configuration names as \fB${NAME}\fR, usually \fBSLACK_BOT_TOKEN\fR,
\fBSLACK_APP_TOKEN\fR or \fBSLACK_WEBHOOK\fR.
"""


def page() -> str:
    """Return the page in roff's man macros."""
    return "".join([_HEAD.format(version=__version__), *_commands(), _TAIL])


def _commands() -> Iterator[str]:
    for command, context in commands(app, click.Context(app, info_name="newswatch")):
        yield f".SS {_escaped(usage(command, context))}\n"
        for text, table in paragraphs(command):
            shown = "\n".join(_escaped(line.strip()) for line in text.splitlines())
            yield f".PP\n.nf\n{shown}\n.fi\n" if table else f".PP\n{shown}\n"
        for parameter in command.get_params(context):
            option = option_text(parameter)
            if option is None:
                continue
            names, meaning = option
            yield f".TP\n.B {_escaped(', '.join(names))}\n{_escaped(meaning)}\n"


def _escaped(text: str) -> str:
    """Return ``text`` with what roff would read as its own made literal."""
    out = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return re.sub(r"(?m)^([.'])", r"\\&\1", out)


if __name__ == "__main__":
    click.echo(page(), nl=False)
