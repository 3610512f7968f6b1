"""The bundled countries: names in many languages, English names and demonyms, capitals.

Data: ``countries.tsv`` (English names, demonyms, capitals) is our own; ``names.tsv`` is generated
from Unicode CLDR by ``scripts/make_gazetteer`` (licence: Unicode-3.0, see
``docs/dependencies.md``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from monitor.rules.text.fold import fold
from monitor.rules.text.scan import surfaces


@dataclass(frozen=True, slots=True)
class Country:
    """A country or territory: ISO 3166-1 alpha-2 ``code``, English ``name``, ``aliases`` as terms
    (``=US`` is exact), ``capitals`` counted only on request, and ``not_in`` phrases that look like
    it but aren't."""

    code: str
    name: str
    aliases: tuple[str, ...]
    capitals: tuple[str, ...] = ()
    not_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """Countries by code, and by folded name."""

    countries: Mapping[str, Country]
    by_name: Mapping[str, str]

    def find(self, name: str) -> Country | None:
        """Return the country that ``name`` (any alias, or an ISO code in capitals) means."""
        if len(name) == 2 and name.isupper() and name in self.countries:
            return self.countries[name]
        code = self.by_name.get(key_of(name))
        return self.countries[code] if code else None


def key_of(name: str) -> str:
    """Return what two spellings of a name have in common."""
    return " ".join(fold(surface) for surface in surfaces(name.lstrip("=")))


@cache
def bundled() -> Gazetteer:
    """Return the bundled gazetteer (read once)."""
    folder = files("monitor.rules.entities")
    others: dict[str, list[str]] = {}
    for line in (folder / "names.tsv").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            code, _, names = line.partition("\t")
            others[code] = names.split("|")
    countries: dict[str, Country] = {}
    by_name: dict[str, str] = {}
    for line in (folder / "countries.tsv").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        code, names, demonyms, capitals, not_in = ([*line.split("\t"), "", "", "", ""])[:5]
        english = [each for each in names.split("|") if each]
        aliases = english + [each for each in demonyms.split("|") if each] + others.get(code, [])
        countries[code] = Country(
            code,
            english[0].lstrip("="),
            tuple(dict.fromkeys(aliases)),
            tuple(each for each in capitals.split("|") if each),
            tuple(each for each in not_in.split("|") if each),
        )
        for alias in aliases:
            by_name.setdefault(key_of(alias), code)
    return Gazetteer(countries, by_name)
