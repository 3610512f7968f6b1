"""What an importer gives: rules, lists, feeds, and what they mean otherwise than they did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SWITCHED_OFF = "switched off (`enabled: false`): look at it first"


@dataclass(frozen=True, slots=True)
class BroughtRule:
    """One rule: ``rule`` as it would stand in YAML, ``place`` and ``source`` what it comes from.

    ``changes`` say in plain words what means something else here, ``lost`` what of it can't be
    carried over.
    """

    rule: Mapping[str, Any]
    place: str
    source: str
    changes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.rule["name"])

    def comment(self) -> list[str]:
        """Return the lines that stand above it in the file."""
        lines = [f"{self.place}: {self.source}" if self.source else self.place]
        lines += [f"changed: {each}" for each in self.changes]
        lines += [f"not carried over: {each}" for each in self.lost]
        # A comment ends with its line: nothing of theirs may end it, or be no text at all.
        plain = ("".join(filter(str.isprintable, " ".join(line.split()))) for line in lines)
        return [line[:300] for line in plain]


@dataclass(frozen=True, slots=True)
class Brought:
    """Everything of one file. ``lists`` and ``ignore`` are the sections of those names, ``feeds``
    addresses with name and tags; ``notes`` hold for all of it, ``lost`` belongs to no rule."""

    rules: tuple[BroughtRule, ...] = ()
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ignore: Mapping[str, Sequence[str]] = field(default_factory=dict)
    feeds: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class Names:
    """Gives each rule a name of its own: "Oil", "Oil (2)"."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def take(self, wanted: str) -> str:
        base = " ".join(wanted.split())[:150] or "Imported"
        name, number = base, 1
        while name in self._used:
            number += 1
            name = f"{base} ({number})"
        self._used.add(name)
        return name


def distinct(items: Iterable[str]) -> tuple[str, ...]:
    """Return ``items``, each once, in order."""
    return tuple(dict.fromkeys(items))
