"""What a loaded configuration says, ready for the pipeline; swapped as a whole on reload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.alerts.route import Router
from monitor.config.load import Loaded, feeds
from monitor.config.models import Settings
from monitor.rules import Compiled, RuleSet
from monitor.values import Feed


@dataclass(frozen=True, slots=True)
class Watching:
    """Settings, compiled rules, routes, and the feeds by their keys."""

    settings: Settings
    ruleset: RuleSet
    router: Router
    feeds: Mapping[str, Feed]


def watching(loaded: Loaded, compiled: Compiled) -> Watching:
    """Return what a loaded configuration says, ready for the pipeline."""
    return Watching(
        loaded.settings,
        compiled.ruleset,
        Router(loaded.settings),
        {feed.key: feed for feed in feeds(loaded)},
    )
