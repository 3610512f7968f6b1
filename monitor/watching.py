"""What a loaded configuration says, ready for the pipeline; swapped as a whole on reload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.alerts.route import Router
from monitor.config.load import Loaded, feed_names, feeds
from monitor.config.models import Settings
from monitor.loading import slim
from monitor.rules import Compiled, RuleSet
from monitor.values import Feed


@dataclass(frozen=True, slots=True)
class Watching:
    """Settings, compiled rules, routes, the feeds by their keys, and the names of those that are
    switched off.

    Of the feeds as they were written the settings keep few (``monitor.loading.slim``).
    """

    settings: Settings
    ruleset: RuleSet
    router: Router
    feeds: Mapping[str, Feed]
    paused: tuple[str, ...] = ()


def watching(loaded: Loaded, compiled: Compiled) -> Watching:
    """Return what a loaded configuration says, ready for the pipeline."""
    settings = loaded.settings
    paused: tuple[str, ...] = ()
    if not all(each.enabled for each in settings.feeds):
        names = feed_names(settings.feeds)
        named = zip(names, settings.feeds, strict=True)
        paused = tuple(name for name, each in named if not each.enabled)
    return Watching(
        slim(settings),
        compiled.ruleset,
        Router(settings),
        {feed.key: feed for feed in feeds(loaded)},
        paused,
    )
