"""The bundled countries: names in many languages, English names and demonyms, regions, capitals.

Data: ``countries.tsv`` (English names, demonyms, capitals) and ``places.tsv`` (regions and cities)
are our own; ``names.tsv`` is generated from Unicode CLDR by ``scripts/make_gazetteer`` (licence:
Unicode-3.0, see ``docs/dependencies.md``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from monitor.rules.text.fold import fold
from monitor.rules.text.scan import surfaces


@dataclass(frozen=True, slots=True)
class Country:
    """A country or territory: ISO 3166-1 alpha-2 ``code``, English ``name``, ``aliases`` as terms
    (``=US`` is exact) with its regions and cities, ``capitals`` counted only on request, and
    ``not_in`` phrases that look like it but aren't."""

    code: str
    name: str
    aliases: tuple[str, ...]
    capitals: tuple[str, ...] = ()
    not_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """Countries by code, by folded name, and by a place in them (which doesn't name them)."""

    countries: Mapping[str, Country]
    by_name: Mapping[str, str]
    by_place: Mapping[str, str]

    def find(self, name: str) -> Country | None:
        """Return the country that ``name`` (any alias, or an ISO code in capitals) means."""
        if len(name) == 2 and name.isupper() and name in self.countries:
            return self.countries[name]
        code = self.by_name.get(key_of(name))
        return self.countries[code] if code else None


def key_of(name: str) -> str:
    """Return what two spellings of a name have in common."""
    return " ".join(fold(surface) for surface in surfaces(name.lstrip("=^")))


@cache
def bundled() -> Gazetteer:
    """Return the bundled gazetteer (read once)."""
    folder = files("monitor.rules.entities")
    others = {code: cells[0] for code, *cells in _rows(folder / "names.tsv")}
    places = {code: cells for code, *cells in _rows(folder / "places.tsv")}
    countries: dict[str, Country] = {}
    by_name: dict[str, str] = {}
    by_place: dict[str, str] = {}
    for code, names, demonyms, capitals, not_in in _rows(folder / "countries.tsv", 5):
        names_in = _split(names) + _split(demonyms) + _split(others.get(code, ""))
        inside, but_not = ([*places.get(code, []), "", ""])[:2]
        countries[code] = Country(
            code,
            _split(names)[0].lstrip("=^"),
            tuple(dict.fromkeys(names_in + _split(inside))),
            tuple(_split(capitals)),
            tuple(_split(not_in) + _split(but_not)),
        )
        for alias in names_in:
            by_name.setdefault(key_of(alias), code)
        for place in _split(inside):
            by_place.setdefault(key_of(place), code)
    return Gazetteer(countries, by_name, by_place)


def _rows(file: Traversable, cells: int = 0) -> Iterator[list[str]]:
    """Yield the tab-separated cells of each line, ``cells`` of them if given."""
    for line in file.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            row = line.split("\t")
            yield row + [""] * (cells - len(row))


def _split(cell: str) -> list[str]:
    return [each for each in cell.split("|") if each]
