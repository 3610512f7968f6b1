"""Where an alert goes: from its labels to channels. Pure; knows no time and no store.

The order is Alertmanager's: routes are tried from the top, the first that matches ends the walk
unless it says ``continue``. `to` on a rule is a route before all others that lets them follow.
Several rules may match one story: each is routed by itself, and the destinations are united.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from monitor.config.models import RouteSettings, RuleSettings, Settings
from monitor.values import Severity

OPS = "ops"  # the channel for words about the watch itself, when there is one of this name
CONSOLE = "console"  # the channel of last resort: it needs no configuration


@dataclass(frozen=True, slots=True)
class Labels:
    """What routes look at. ``severity`` is the highest of the rules that match; ``entities`` are
    names and codes of the entities found; ``source`` and ``story`` (its id) are for silences."""

    rules: tuple[str, ...]
    severity: Severity = Severity.NORMAL
    entities: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    language: str | None = None
    country: str | None = None
    feed: str = ""
    source: str = ""
    story: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """A channel that an alert goes to, once.

    ``via`` says in plain words what sent it there ("rule 'X' to: syria", "route 2"); ``rules`` are
    those that did; ``routes`` the positions (from 0) of the routes that took it, whose policies
    override the channel's.
    """

    channel: str
    mention: tuple[str, ...] = ()
    via: str = ""
    rules: tuple[str, ...] = ()
    routes: tuple[int, ...] = ()


@dataclass(slots=True)
class _Found:
    mention: list[str] = field(default_factory=list)
    via: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    routes: list[int] = field(default_factory=list)


class Router:
    """Routes alerts by their labels, as one configuration says.

    ``rules`` are the configured rules by name: there can be 100,000, so they are indexed once.
    """

    def __init__(self, settings: Settings) -> None:
        self._channels = settings.channels
        self._default = default_channel(settings)
        self.rules: Mapping[str, RuleSettings] = {rule.name: rule for rule in settings.rules}
        self._routes = [
            (position, route) for position, route in enumerate(settings.routes) if route.enabled
        ]

    def route(self, labels: Labels) -> tuple[Destination, ...]:
        """Return where an alert with ``labels`` goes: every channel once, at least one channel."""
        found: dict[str, _Found] = {}
        for rule in labels.rules:
            if not self._route_rule(rule, labels, found):
                self._add(found, self._default, rule, "default channel")
        if not found:
            self._add(found, self._default, "", "default channel")
        return tuple(
            Destination(
                channel,
                tuple(dict.fromkeys([*self._channel_mention(channel), *each.mention])),
                "; ".join(dict.fromkeys(each.via)),
                tuple(dict.fromkeys(filter(None, each.rules))),
                tuple(dict.fromkeys(each.routes)),
            )
            for channel, each in found.items()
        )

    def walk(self, labels: Labels, rule: str) -> tuple[str, ...]:
        """Return in words how each route took or left an alert of ``rule``, for `routes test`."""
        out = []
        for position, route in self._routes:
            name = f"route {position + 1}" + (f" ({route.name})" if route.name else "")
            failed = [
                label
                for label, wanted in route.when.items()
                if not matches({label: wanted}, labels, rule)
            ]
            if failed:
                out.append(f"{name}: no, {', '.join(failed)} differs")
                continue
            to = ", ".join(route.to) or self._default
            out.append(f"{name}: takes it to {to}")
            if not route.continue_:
                break
            out[-1] += ", and goes on"
        return tuple(out)

    def _route_rule(self, rule: str, labels: Labels, found: dict[str, _Found]) -> bool:
        """Add the destinations of one rule; tell whether any of them can be delivered to."""
        taken = False
        settings = self.rules.get(rule)
        for channel in settings.to if settings is not None else ():
            if self._open(channel):
                self._add(found, channel, rule, f"rule {rule!r} to: {channel}")
                taken = True
        for position, route in self._routes:
            if not matches(route.when, labels, rule):
                continue
            via = f"route {position + 1}"
            # A route without `to` changes policies on the way to the default channel.
            for channel in route.to or [self._default]:
                if not self._open(channel):
                    continue
                self._add(found, channel, rule, via, route, position)
                taken = True
            if not route.continue_:
                break
        return taken

    def _open(self, channel: str) -> bool:
        """Tell whether a channel is there and switched on (one whose secret is unset is not)."""
        settings = self._channels.get(channel)
        return channel == self._default or (settings is not None and settings.enabled)

    def _channel_mention(self, channel: str) -> Sequence[str]:
        settings = self._channels.get(channel)
        return settings.mention if settings is not None else ()

    def _add(
        self,
        found: dict[str, _Found],
        channel: str,
        rule: str,
        via: str,
        route: RouteSettings | None = None,
        position: int = 0,
    ) -> None:
        each = found.setdefault(channel, _Found())
        each.via.append(via)
        each.rules.append(rule)
        settings = self.rules.get(rule)
        each.mention.extend(settings.mention if settings is not None else ())
        if route is not None:
            each.mention.extend(route.mention)
            each.routes.append(position)


def default_channel(settings: Settings) -> str:
    """Return the channel of what no route takes: the configured one, else the only one (besides
    ops), else the console. A default that is switched off gives way to the next of these."""
    named = settings.defaults.channel
    if named and _on(settings, named):
        return named
    on = [name for name in settings.channels if name != OPS and _on(settings, name)]
    return on[0] if len(on) == 1 else CONSOLE


def _on(settings: Settings, channel: str) -> bool:
    known = settings.channels.get(channel)
    return known is not None and known.enabled


# Matching ----------------------------------------------------------------------------------------


def matches(when: Mapping[Any, Sequence[str]], labels: Labels, rule: str) -> bool:
    """Tell whether every condition of ``when`` holds for an alert of ``rule``: one of the values
    wanted must be one of the alert's (globs; without regard to case)."""
    return all(_holds(name, wanted, labels, rule) for name, wanted in when.items())


def _holds(name: str, wanted: Sequence[str], labels: Labels, rule: str) -> bool:
    if name == "severity":
        return any(_severity(option, labels.severity) for option in wanted)
    values = label_values(name, labels, rule)
    return any(_glob(option, value) for option in wanted for value in values)


def label_values(name: str, labels: Labels, rule: str) -> tuple[str, ...]:
    """Return an alert's values of the label ``name``; none for a label it doesn't have."""
    read = _VALUES.get(name)
    return tuple(filter(None, read(labels, rule))) if read else ()


def _language(labels: Labels, rule: str) -> tuple[str, ...]:
    tag = (labels.language or "").replace("_", "-")
    return (tag, tag.split("-")[0])


_VALUES: Mapping[str, Callable[[Labels, str], tuple[str, ...]]] = {
    "rule": lambda labels, rule: (rule,),
    "severity": lambda labels, rule: (labels.severity.label,),
    "entities": lambda labels, rule: labels.entities,
    "tags": lambda labels, rule: labels.tags,
    "category": lambda labels, rule: labels.categories,
    "language": _language,
    "country": lambda labels, rule: (labels.country or "",),
    "feed": lambda labels, rule: (labels.feed,),
    "source": lambda labels, rule: (labels.source,),
    "story": lambda labels, rule: (labels.story,),
}


def _severity(wanted: str, severity: Severity) -> bool:
    """``critical``, ``">=high"`` or a glob."""
    text = wanted.strip().lower()
    if text.startswith(">="):
        try:
            return severity >= Severity.parse(text[2:].strip())
        except KeyError:
            return False
    return fnmatchcase(severity.label, text)


def _glob(pattern: str, value: str) -> bool:
    """Match without regard to case; a name with brackets in it also matches to the letter."""
    pattern, value = pattern.casefold(), value.casefold()
    return pattern == value or fnmatchcase(value, pattern)
