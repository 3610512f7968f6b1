"""The commands: one module per command group, all behind ``main``."""

from __future__ import annotations

from monitor.cli.app import app


def main() -> None:
    """Run the command line."""
    app(prog_name="newswatch")
