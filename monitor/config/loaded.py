"""A configuration that was read and can be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path as FilePath

from monitor.config.models import Settings
from monitor.config.positions import Positions
from monitor.errors import Problem


@dataclass(frozen=True)
class Loaded:
    """A configuration that can be used.

    ``files`` are the file and what it includes, ``secret_files`` those that ``*_file`` keys name.
    ``secrets`` are the values that must not reach a log, a message or a page.
    ``digest`` is the SHA-256 of all of them and of the variables used. ``addresses`` are the feeds'
    URLs as they stand in the file, in the order of ``settings.feeds``.
    """

    settings: Settings
    path: FilePath
    files: tuple[FilePath, ...]
    digest: str
    warnings: tuple[Problem, ...] = ()
    positions: Positions = field(default_factory=lambda: Positions(()), repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    secret_files: tuple[FilePath, ...] = ()
    addresses: tuple[str, ...] = ()
