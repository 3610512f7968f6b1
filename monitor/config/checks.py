"""What must agree between sections: names, channels, addresses, codes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path as FilePath
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from monitor.config.addresses import BadAddress, is_loopback, local_file, split_web_address
from monitor.config.countries import COUNTRY_CODES, country_hint
from monitor.config.models import ROUTE_LABELS, Policy, Settings
from monitor.config.positions import Positions
from monitor.config.suggest import did_you_mean
from monitor.config.yaml import Path
from monitor.errors import Place, Problem
from monitor.values import Severity

_SEVERITIES = tuple(level.label for level in Severity)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2, token
_CLAUSES = ("any", "all", "none", "min", "near", "entities", "match")
_DESTINATIONS = ("slack", "webhook", "apprise", "discord", "console")


def check_settings(
    settings: Settings, addresses: Sequence[str], positions: Positions, folder: FilePath
) -> list[Problem]:
    """Return the problems that no single value shows.

    ``addresses`` are the feeds' URLs as written, ``folder`` is the configuration's.
    """
    checker = _Checker(settings, addresses, positions, folder)
    checker.defaults()
    checker.slack()
    checker.channels()
    checker.feeds()
    checker.rules()
    checker.routes()
    checker.network()
    return checker.problems


class _Checker:
    def __init__(
        self,
        settings: Settings,
        addresses: Sequence[str],
        positions: Positions,
        folder: FilePath,
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._positions = positions
        self._folder = folder
        self.problems: list[Problem] = []

    def _say(
        self,
        path: Path,
        message: str,
        hint: str = "",
        level: Literal["error", "warning"] = "error",
        *,
        key: bool = False,
    ) -> None:
        self.problems.append(Problem(message, self._at(path, key=key), hint, level))

    def _at(self, path: Path, *, key: bool = False) -> Place | None:
        return self._positions.key_place(path) if key else self._positions.place(path)

    def defaults(self) -> None:
        defaults = self._settings.defaults
        zone = defaults.timezone
        if not _is_zone(zone):
            self._say(
                ("defaults", "timezone"),
                f"unknown time zone `{zone[:60]}`",
                did_you_mean(zone, _zones()) or "write an IANA name, Europe/Paris",
            )
        if defaults.channel is not None:
            self._channel(defaults.channel, ("defaults", "channel"))

    def slack(self) -> None:
        slack = self._settings.slack
        if slack.api_url is not None:
            self._plain_http(slack.api_url, ("slack", "api_url"))
        if slack.webhook is not None:
            self._plain_http(slack.webhook.get_secret_value(), ("slack", "webhook"))
        token = slack.token.get_secret_value() if slack.token else ""
        if token.startswith("xapp-"):
            self._say(("slack", "token"), "this is an app-level token", "it belongs in `app_token`")
        app_token = slack.app_token.get_secret_value() if slack.app_token else ""
        if app_token.startswith("xoxb-"):
            self._say(("slack", "app_token"), "this is a bot token", "it belongs in `token`")

    def _plain_http(self, url: str, path: Path) -> None:
        """Tokens and alerts travel in clear to this machine only."""
        try:
            parts = split_web_address(url)
        except BadAddress as error:
            self._say(path, f"`{path[-1]}`: {error}", error.hint)
            return
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            self._say(path, f"`{path[-1]}`: plain http is for this machine only", "use https")

    def channels(self) -> None:
        for name, channel in self._settings.channels.items():
            path: Path = ("channels", name)
            given = [one for one in _DESTINATIONS if getattr(channel, one)]
            if len(given) > 1:
                self._say(
                    path,
                    f"the channel `{name}` has {len(given)} destinations: {', '.join(given)}",
                    "make one channel of each, and name them all in `to`",
                    key=True,
                )
            elif not given and channel.enabled:
                self._say(
                    path,
                    f"the channel `{name}` has no destination",
                    f"give it one of {', '.join(_DESTINATIONS)}",
                    key=True,
                )
            if channel.webhook is not None:
                self._plain_http_warning(channel.webhook.get_secret_value(), (*path, "webhook"))
            if channel.discord is not None:
                self._plain_http(channel.discord.get_secret_value(), (*path, "discord"))
            if channel.secret is not None and channel.webhook is None and channel.enabled:
                self._say((*path, "secret"), "`secret` signs a `webhook`, and there is none")
            if channel.slack is not None and (
                not channel.slack.strip("#@") or re.search(r"\s|,", channel.slack)
            ):
                self._say(
                    (*path, "slack"),
                    f"`{channel.slack[:60]}` can't be a Slack channel",
                    'write "#name" or its ID',
                )
            self._policy(channel, path)

    def _plain_http_warning(self, url: str, path: Path) -> None:
        try:
            parts = split_web_address(url)
        except BadAddress as error:
            self._say(path, f"`{path[-1]}`: {error}", error.hint)
            return
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            self._say(path, "alerts go there in plain http", "use https", "warning")

    def _policy(self, policy: Policy, path: Path) -> None:
        for index, label in enumerate(policy.group_by):
            if label not in (*ROUTE_LABELS, "story"):
                self._say(
                    (*path, "group_by", index),
                    f"unknown label `{label[:60]}`",
                    did_you_mean(label, ROUTE_LABELS) or f"one of {', '.join(ROUTE_LABELS)}",
                )
        if policy.unanswered is not None:
            self._to(policy.unanswered.to, (*path, "unanswered", "to"))

    def feeds(self) -> None:
        urls: dict[str, int] = {}
        names: dict[str, int] = {}
        for index, (feed, address) in enumerate(
            zip(self._settings.feeds, self._addresses, strict=True)
        ):
            path: Path = ("feeds", index)
            self._feed_address(feed.url, (*path, "url"))
            first = urls.setdefault(address, index)
            if first != index:
                self._say(
                    (*path, "url"), "this feed is listed twice", self._first(("feeds", first))
                )
            if feed.name is not None:
                first = names.setdefault(feed.name, index)
                if first != index:
                    self._say(
                        (*path, "name"),
                        f"two feeds are called `{feed.name[:60]}`",
                        self._first(("feeds", first, "name")),
                    )
            if feed.country is not None and feed.country not in COUNTRY_CODES:
                self._say(
                    (*path, "country"),
                    f"unknown country code `{feed.country[:60]}`",
                    country_hint(feed.country),
                )
            if feed.language is not None and not _LANGUAGE.fullmatch(feed.language):
                self._say(
                    (*path, "language"),
                    f"unknown language `{feed.language[:60]}`",
                    "write en, pt-BR",
                )
            for name, value in feed.headers.items():
                text = value.get_secret_value()
                if not _HEADER_NAME.fullmatch(name) or re.search(r"[\r\n\x00]", text):
                    self._say((*path, "headers", name), f"`{name[:60]}` can't be a header")

    def _feed_address(self, url: str, path: Path) -> None:
        try:
            if url.lower().startswith("file:"):
                if not local_file(url, self._folder).exists():
                    self._say(path, f"{url[5:][:200]}: there is no such file yet", "", "warning")
            else:
                split_web_address(url)
        except BadAddress as error:
            self._say(path, str(error), error.hint)

    def _first(self, path: Path) -> str:
        place = self._at(path)
        return f"first: {place}" if place else ""

    def rules(self) -> None:
        names: dict[str, int] = {}
        for index, rule in enumerate(self._settings.rules):
            path: Path = ("rules", index)
            first = names.setdefault(rule.name, index)
            if first != index:
                self._say(
                    (*path, "name"),
                    f"two rules are called `{rule.name[:60]}`",
                    self._first(("rules", first, "name")),
                )
            if rule.to:
                self._to(rule.to, (*path, "to"))
            if all(getattr(rule, clause) is None for clause in _CLAUSES):
                self._say(
                    path,
                    f"the rule `{rule.name[:60]}` says nothing to look for",
                    "give it any, all, entities or match",
                )
            volume = rule.volume
            if volume is not None and volume.more_than is None and volume.spike is None:
                self._say((*path, "volume"), "`volume` needs `more_than` or `spike`", key=True)

    def routes(self) -> None:
        rules = [rule.name for rule in self._settings.rules]
        for index, route in enumerate(self._settings.routes):
            path: Path = ("routes", index)
            if route.to:
                self._to(route.to, (*path, "to"))
            self._labels(route.when, (*path, "when"), rules)
            self._policy(route, path)
        for index, inhibit in enumerate(self._settings.inhibit):
            self._labels(inhibit.when, ("inhibit", index, "when"), rules)
            self._labels(inhibit.mute, ("inhibit", index, "mute"), rules)
            for number, label in enumerate(inhibit.equal):
                if label not in ROUTE_LABELS:
                    self._say(
                        ("inhibit", index, "equal", number),
                        f"unknown label `{label[:60]}`",
                        did_you_mean(label, ROUTE_LABELS),
                    )

    def _labels(self, when: Mapping[Any, Sequence[str]], path: Path, rules: Sequence[str]) -> None:
        for value in when.get("severity", ()):
            if value.lstrip("<>=! ") not in _SEVERITIES and "*" not in value:
                self._say(
                    (*path, "severity"),
                    f"unknown severity `{value[:60]}`",
                    did_you_mean(value, _SEVERITIES) or f"one of {', '.join(_SEVERITIES)}",
                )
        for value in when.get("rule", ()):
            if value not in rules and not any(sign in value for sign in "*?["):
                self._say(
                    (*path, "rule"),
                    f"no rule is called `{value[:60]}`",
                    did_you_mean(value, rules),
                    "warning",
                )

    def _to(self, names: Iterable[str], path: Path) -> None:
        for index, name in enumerate(names):
            self._channel(name, (*path, index))

    def _channel(self, name: str, path: Path) -> None:
        if name in self._settings.channels:
            return
        known = self._settings.channels
        same = [key for key, channel in known.items() if channel.slack in (name, f"#{name}")]
        hint = (
            f"channels go by their names here: write `{same[0]}`"
            if same
            else did_you_mean(name.lstrip("#"), known)
        )
        self._say(
            path,
            f"unknown channel `{name[:60]}`",
            hint or f'add it under `channels:`, {name.lstrip("#")[:40]}: {{slack: "#…"}}',
        )

    def network(self) -> None:
        for index, text in enumerate(self._settings.network.allow):
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError:
                self._say(
                    ("network", "allow", index), f"`{text[:60]}` is not a network", "10.0.0.0/8"
                )
        proxy = self._settings.network.proxy
        if proxy is not None and not _is_proxy(proxy.get_secret_value()):
            self._say(("network", "proxy"), "the proxy is not an address", "http://host:port")
        polling = self._settings.polling
        if polling.min > polling.max:
            self._say(("polling", "min"), "`min` is longer than `max`")
        web = self._settings.web
        host, _, port = web.listen.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65_535:
            self._say(
                ("web", "listen"), f"`{web.listen[:60]}` can't be listened on", "127.0.0.1:8090"
            )
        elif web.enabled and web.token is None and not is_loopback(host):
            self._say(
                ("web", "listen"),
                "the status page would be open to the network without a password",
                "set `web.token`, or listen on 127.0.0.1",
            )
        state = self._settings.state
        scheme = state.partition("://")[0] if "://" in state else ""
        if scheme and scheme not in {"postgresql", "postgres"}:
            self._say(("state",), f"the state can't be kept in `{scheme[:20]}:`", "postgresql://…")


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https", "socks5", "socks5h"} and bool(parts.hostname)
    except ValueError:
        return False


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # an unknown key, a path, a folder's name
        return False
    return name not in {"localtime", "posixrules", "Factory"}
