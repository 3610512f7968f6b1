"""Numbered SQL files as schema versions: ``0001_initial.sql`` makes version 1."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: ``version`` is what the schema is at after ``sql``."""

    version: int
    name: str
    sql: str


def bundled(engine: str) -> tuple[Migration, ...]:
    """Return the migrations of ``engine`` ("sqlite", "postgres") in order."""
    folder = files("monitor.store").joinpath("sql", engine)
    found = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=str)
    return tuple(
        Migration(int(each.name.partition("_")[0]), each.name, each.read_text("utf-8"))
        for each in found
    )
