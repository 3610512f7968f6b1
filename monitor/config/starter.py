"""A first configuration from three answers: what to watch, where alerts go, which feeds.

Pure: gives the text, writes nothing. The feeds come from the bundled catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from monitor.config.clauses import quoted
from monitor.config.suggest import did_you_mean
from monitor.config.yaml import parse
from monitor.errors import UsageError

_CHANNEL = re.compile(r"#?[^\s#@,\"\\]{1,80}")


@dataclass(frozen=True, slots=True)
class Region:
    """A region of the catalogue; ``feeds`` are (name, country, address)."""

    key: str
    title: str
    language: str | None
    feeds: tuple[tuple[str, str, str], ...]


@cache
def regions() -> tuple[Region, ...]:
    """Return the bundled catalogue, in its order."""
    text = files("monitor.config").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    return tuple(
        Region(
            key,
            each["title"],
            each.get("language"),
            tuple((name, country, address) for name, country, address in each["feeds"]),
        )
        for key, each in parse(text, "catalogue.yaml").data.items()
    )


def topics(text: str) -> tuple[str, ...]:
    """Return the words and phrases of "Syria, arms deal"; raises ``UsageError`` for none."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        raise UsageError("name at least one word or phrase to watch for")
    return found


def starter(topic: str, to: str, region: str) -> str:
    """Return the text of a commented configuration.

    ``topic`` is words and phrases with commas between them, ``to`` a Slack channel or "console",
    ``region`` a key of the catalogue. Raises ``UsageError`` for an answer that can't be used.
    """
    terms = topics(topic)
    known = {each.key: each for each in regions()}
    if region not in known:
        hint = did_you_mean(region, known) or f"one of {', '.join(known)}"
        raise UsageError(f"unknown region {region!r}: {hint}")
    console = to.strip().lower() == "console"
    if not console and not _CHANNEL.fullmatch(to.strip()):
        raise UsageError(f"{to!r} can't be a Slack channel: write #name, or console")
    channel = "#" + to.strip().removeprefix("#")
    destination = "{console: true}" if console else f"{{slack: {quoted(channel)}}}"
    return _TEXT.format(
        slack="# " if console else "",
        destination=destination,
        feeds=_feeds(known[region]),
        title=known[region].title,
        name=quoted(_name(terms)),
        terms=", ".join(map(quoted, terms)),
        example=quoted(f"A headline with {terms[0].strip('=*')} in it"),
    )


def _name(terms: Sequence[str]) -> str:
    name = ", ".join(term.strip("=*/") for term in terms[:3]) or "My topic"
    return name[0].upper() + name[1:77] + ("…" if len(name) > 77 or len(terms) > 3 else "")


def _feeds(region: Region) -> str:
    language = f", language: {region.language}" if region.language else ""
    return "\n".join(
        f"  - {{url: {quoted(url)}, name: {quoted(name)}, tags: [{region.key}], "
        f"country: {country}{language}}}"
        for name, country, url in region.feeds
    )


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

feeds:                            # {title}
{feeds}

# A rule fires when all its clauses hold. Clauses: any (one of), all (every one), none (not one),
# entities (countries are built in, with demonyms), match (a query: a AND (b OR "c d") NEAR/5 e).
# Terms: a word, a phrase, wild*, =Exact. Quote a term that contains ":" or starts with "#".
rules:
  - name: {name}
    any: [{terms}]
    # none: {{title: [video game]}}
    # entities: [Syria]
    # severity: high              # info, low, normal, high, critical
    # to: news
    # examples:                   # run them with `newswatch test`
    #   match: [{example}]

# routes:                         # by label; the first that matches wins
#   - when: {{severity: critical}}
#     to: news
#     quiet_hours: {{from: "22:00", to: "06:30"}}
"""
