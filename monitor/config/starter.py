"""A first configuration from three answers: what to watch, where alerts go, whose feeds.

Pure: gives the text, writes nothing. The feeds come from the bundled catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from monitor.config.clauses import quoted
from monitor.config.suggest import did_you_mean
from monitor.config.yaml import parse
from monitor.errors import UsageError

_WORDS = re.compile(r"[^\W_]+(?:[ '-][^\W_]+)*")
_TOGETHER = re.compile(r"(?:^|\s)\+(?=\s|$)")
_CHANNEL = re.compile(r"#?[^\s#@,\"\\]{1,80}")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the catalogue: a region, a language or a subject; ``feeds`` are (name, country,
    address), ``countries`` (ISO 3166) and ``words`` are topics it is proposed for."""

    key: str
    title: str
    language: str | None
    feeds: tuple[tuple[str, str, str], ...]
    countries: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@cache
def catalogue() -> tuple[Section, ...]:
    """Return the bundled catalogue, in its order."""
    text = files("monitor.config").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    return tuple(
        Section(
            key,
            each["title"],
            each.get("language"),
            tuple((name, country, address) for name, country, address in each["feeds"]),
            tuple(each.get("about", {}).get("countries", ())),
            tuple(each.get("about", {}).get("words", ())),
        )
        for key, each in parse(text, "catalogue.yaml").data.items()
    )


def chosen(regions: str, language: str | None = None) -> tuple[Section, ...]:
    """Return the sections that "middle-east, defence" names, or all in ``language`` where
    ``regions`` is empty; raises ``UsageError`` for one that is unknown."""
    known = {each.key: each for each in catalogue()}
    keys = list(dict.fromkeys(key for key in re.split(r"[,\s]+", regions.lower()) if key))
    for key in keys:
        if key not in known:
            hint = did_you_mean(key, known) or f"one of {', '.join(known)}"
            raise UsageError(f"unknown region {key!r}: {hint}")
    found = tuple(known[key] for key in keys) or catalogue()
    if language is not None:
        found = tuple(each for each in found if each.language == language.lower())
        if not found:
            spoken = sorted({each.language for each in catalogue() if each.language})
            raise UsageError(
                f"no feeds in {language!r} {'there' if keys else 'are known'}: "
                f"the catalogue has {', '.join(spoken)}"
            )
    elif not keys:
        raise UsageError("name a region")
    return found


def topics(text: str) -> tuple[tuple[str, ...], ...]:
    """Return the words and phrases of "arms deal + Syria, port strike": alternatives, each of them
    what must stand together. Raises ``UsageError`` for none."""
    found = [
        tuple(word.strip() for word in _TOGETHER.split(part) if word.strip())
        for part in text.split(",")
    ]
    out = tuple(dict.fromkeys(part for part in found if part))
    if not out:
        raise UsageError("name at least one word or phrase to watch for")
    return out


def starter(
    topic: str, to: str, sections: Sequence[Section], entities: Mapping[str, str] | None = None
) -> str:
    """Return the text of a commented configuration.

    ``topic`` is as ``topics`` reads it, ``to`` a Slack channel or "console", ``entities`` the names
    of known ones by their lower-case spelling: a word that is one is watched as that entity.
    Raises ``UsageError`` for an answer that can't be used.
    """
    parts = topics(topic)
    console = to.strip().lower() == "console"
    if not console and not _CHANNEL.fullmatch(to.strip()):
        raise UsageError(f"{to!r} can't be a Slack channel: write #name, or console")
    channel = "#" + to.strip().removeprefix("#")
    destination = "{console: true}" if console else f"{{slack: {quoted(channel)}}}"
    known = entities or {}
    plain = all(map(_WORDS.fullmatch, parts[0]))
    return _TEXT.format(
        slack="# " if console else "",
        destination=destination,
        feeds=_feeds(sections),
        name=quoted(_name([" + ".join(part) for part in parts])),
        clause=_clause(parts, known),
        # A term with signs may mean more than itself: its example is left to be written.
        test="" if plain else "# ",
        example=quoted(f"A headline with {' and '.join(parts[0])} in it"),
    )


def _clause(parts: Sequence[Sequence[str]], known: Mapping[str, str]) -> str:
    def term(word: str) -> str:
        name = known.get(word.lower())
        return quoted(f"entity:{name}" if name else word)

    if len(parts) == 1 and len(parts[0]) > 1:
        return f"all: [{', '.join(map(term, parts[0]))}]"
    items = [
        term(part[0]) if len(part) == 1 else f"{{all: [{', '.join(map(term, part))}]}}"
        for part in parts
    ]
    return f"any: [{', '.join(items)}]"


def _name(terms: Sequence[str]) -> str:
    name = ", ".join(term.strip("=*/") for term in terms[:3]) or "My topic"
    return name[0].upper() + name[1:77] + ("…" if len(name) > 77 or len(terms) > 3 else "")


def _feeds(sections: Sequence[Section]) -> str:
    """Return the lines of the feeds, each address once."""
    lines: list[str] = []
    known: set[str] = set()
    for section in sections:
        language = f", language: {section.language}" if section.language else ""
        rows = [row for row in section.feeds if row[2] not in known]
        known.update(url for _, _, url in rows)
        lines.append(f"  # {section.title}")
        lines += [
            f"  - {{url: {quoted(url)}, name: {quoted(name)}, tags: [{section.key}], "
            f"country: {quoted(country) if country == 'NO' else country}{language}}}"
            for name, country, url in rows
        ]
    return "\n".join(lines)


_TEXT = """\
# yaml-language-server: $schema=./newswatch.schema.json
#
# Check it after each change with `newswatch check` (`--live` fetches every feed and shows what
# would match now). A running watch takes each change by itself, and keeps the last good one.

defaults: {{timezone: UTC, channel: news}}
state: ./state                    # what has been seen, and what is still to be delivered

{slack}slack:
{slack}  token: ${{SLACK_BOT_TOKEN}}       # none set: alerts print to the console

channels:
  news: {destination}

# From the bundled catalogue. Publishers change addresses: `newswatch check --live` tries them.
feeds:
{feeds}

# A rule fires when all its clauses hold. Clauses: any (one of), all (every one), none (not one),
# entities (countries are built in, with demonyms), match (a query: a AND (b OR "c d") NEAR/5 e).
# Terms: a word, a phrase, wild*, =Exact. Quote a term that contains ":" or starts with "#".
rules:
  - name: {name}
    {clause}
    # none: {{title: [video game]}}
    # entities: [Syria]
    # severity: high              # info, low, normal, high, critical
    # to: news
    {test}examples:                     # run them with `newswatch test`
    {test}  match: [{example}]

# routes:                         # by label; the first that matches wins
#   - when: {{severity: critical}}
#     to: news
#     quiet_hours: {{from: "22:00", to: "06:30"}}
"""
