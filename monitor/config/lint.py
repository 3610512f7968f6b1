"""Findings about a configuration that loads: what is unused, unreachable, or wakes nobody."""

from __future__ import annotations

from monitor.config.load import Loaded
from monitor.config.models import Settings
from monitor.config.yaml import Path
from monitor.errors import Problem


def lint(loaded: Loaded) -> tuple[Problem, ...]:
    """Return warnings and notes about what is never used, never reached, or wakes nobody."""
    settings = loaded.settings
    found: list[tuple[Path, str, str, bool]] = [
        *_empty(settings),
        *_routes(settings),
        *_channels(settings),
    ]
    place = loaded.positions.key_place
    return tuple(
        Problem(message, place(path), hint, "warning" if warns else "note")
        for path, message, hint, warns in found
    )


def _empty(settings: Settings) -> list[tuple[Path, str, str, bool]]:
    found: list[tuple[Path, str, str, bool]] = []
    if not any(feed.enabled for feed in settings.feeds):
        found.append((("feeds",), "there is no feed to poll", "add one under `feeds:`", True))
    if not any(rule.enabled for rule in settings.rules):
        found.append((("rules",), "there is no rule", "add one under `rules:`", True))
    return found


def _routes(settings: Settings) -> list[tuple[Path, str, str, bool]]:
    """A route without conditions takes everything: what follows it is never asked."""
    found: list[tuple[Path, str, str, bool]] = []
    taken: int | None = None
    for index, route in enumerate(settings.routes):
        if not route.enabled:
            continue
        path: Path = ("routes", index)
        if taken is not None:
            message = f"this route is never reached: route {taken + 1} takes every alert"
            found.append((path, message, "give that one a `when`, or `continue: true`", True))
        elif not route.when and not route.continue_:
            taken = index
        if not route.to:
            found.append((path, "this route sends nowhere", "give it `to:`", True))
    return found


def _channels(settings: Settings) -> list[tuple[Path, str, str, bool]]:
    found: list[tuple[Path, str, str, bool]] = []
    used = {settings.defaults.channel, "ops"}
    for rule in settings.rules:
        used.update(rule.to)
    for route in settings.routes:
        used.update(route.to)
    for policy in (*settings.channels.values(), *settings.routes):
        if policy.unanswered is not None:
            used.update(policy.unanswered.to)
    for name, channel in settings.channels.items():
        if name not in used and channel.enabled and len(settings.channels) > 1:
            message = f"nothing sends to the channel `{name}`"
            found.append(
                (("channels", name), message, "name it in a rule's `to` or a route", False)
            )
        if channel.slack and settings.slack.token is None and settings.slack.webhook is None:
            message = "there is no Slack token: alerts for Slack channels print to the console"
            found.append((("slack",), message, "set the variable that `slack.token` names", False))
            break
    if settings.rules and not _wakes(settings):
        message = "nothing here could wake anyone: no rule is `critical`, nobody is mentioned"
        found.append((("rules",), message, "that may be what you want", False))
    return found


def _wakes(settings: Settings) -> bool:
    """Tell whether some alert passes every quiet hour, or mentions someone."""
    return (
        any(
            rule.enabled and (rule.severity == "critical" or rule.mention)
            for rule in settings.rules
        )
        or any(route.enabled and route.mention for route in settings.routes)
        or any(channel.enabled and channel.mention for channel in settings.channels.values())
    )
