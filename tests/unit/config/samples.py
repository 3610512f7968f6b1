"""Writing a configuration and reading what is found in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monitor.config.load import Loaded, load
from monitor.errors import ConfigError, Problem

# The example of the documentation: every section, the short and the long forms.
FULL = """\
# yaml-language-server: $schema=./newswatch.schema.json
defaults: {timezone: Europe/Paris, channel: news}
state: ./state                     # relative to this file
retention: {stories: 30d, alerts: 1y, max_size: 5GB}

slack:
  token: ${SLACK_BOT_TOKEN}        # none set: alerts print to the console
  app_token: ${SLACK_APP_TOKEN}

channels:
  news:  {slack: "#news-watch", digest: "weekdays 08:00", live: true}
  syria: {slack: "#syria-desk", throttle: 10 per hour}
  pager: {apprise: "${PAGER_URL}", hours: always}
  ops:   {slack: "#news-watch-ops"}

feeds:
  - https://example.org/world/rss.xml
  - url: https://example.com/feed
    name: Example Wire
    tags: [world, wire]
    country: GB
    every: 10m
    alarm_if_silent: 2h
    full_text: when_needed

entities:
  Assad: {type: person, aliases: [Bashar al-Assad, President Assad], valid: {to: 2024-12-08}}
  Syria: {extend: true, aliases: [Assad]}
  Apple: {type: org, aliases: ["=Apple", Apple Inc], not_in: [apple pie, Big Apple],
          needs: {any: [iPhone, Cupertino, AAPL], unless: Apple Inc}}

lists:
  arms: [arms deal, weapons sale, weapon support, weapons contract, "=Yak-130"]

ignore:
  category: [sport, horoscopes]
  url: ["/sport/"]

rules:
  - name: Arms deals with Syria
    any: [list:arms, military cooperation]
    entities: [Syria]
    none: {title: [video game]}
    to: syria
    severity: high
    examples:
      match: ["Russia will fulfill several existing arms deals with Syria"]
      no_match: ["Syria wins football friendly"]

  - name: Sanctions near Russian banks
    match: '(sanction* OR "asset freeze") NEAR/12 (bank OR Sberbank) AND entity:Russia'
    where: {tags: [world], languages: [en, fr], country: [FR, GB]}
    when_story: {sources: 3, or_source: [Reuters, AFP], within: 2h}

routes:
  - when: {severity: critical}
    to: [syria, pager]
    mention: [S0DESK]
  - when: {rule: "Sanctions*"}
    to: news
    quiet_hours: {from: "22:00", to: "06:30", release: digest}

include: rules.d/*.yaml
"""


def write(folder: Path, text: str | bytes, name: str = "config.yaml") -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def loaded(folder: Path, text: str | bytes, env: Mapping[str, str] | None = None) -> Loaded:
    """Load a configuration that has to be good."""
    return load(write(folder, text), env or {})


def refused(
    folder: Path, text: str | bytes, env: Mapping[str, str] | None = None
) -> tuple[Problem, ...]:
    """Return the problems of a configuration that must be refused."""
    try:
        load(write(folder, text), env or {})
    except ConfigError as error:
        return tuple(problem for problem in error.problems if problem.level == "error")
    raise AssertionError("loaded")


def said(problems: tuple[Problem, ...]) -> list[str]:
    """Return the problems as lines, with the file's name alone."""
    lines = []
    for problem in problems:
        text = str(problem)
        if problem.place is not None:
            text = text.replace(problem.place.file, Path(problem.place.file).name)
        lines.append(text)
    return lines
