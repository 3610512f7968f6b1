"""Routes: which alerts go where, what would become of one alert, and switching routes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.alerts.route import Labels, Router, default_channel
from monitor.config.amend import place_of, with_change
from monitor.config.edit import text_of
from monitor.config.load import load
from monitor.config.models import (
    ChannelSettings,
    Policy,
    QuietHours,
    RouteSettings,
    Settings,
    UnansweredSettings,
)
from monitor.errors import ConfigError, Problem, UsageError
from monitor.review.rehearsal import labels_of_text, moment, rehearse
from monitor.values import Document, Severity
from monitor.web.changes import Change
from monitor.web.forms import Forms, text
from monitor.web.render import Renderer
from monitor.web.source import Source

RULES = 200  # rules with a `to` of their own that are listed
_ASKED = ("title", "rule", "severity", "feed", "tag", "at")
_POLICIES = ("digest", "throttle", "quiet_hours", "hours", "mention", "group_by", "unanswered")
_KINDS = ("slack", "webhook", "apprise", "discord", "console")


class RoutesPage:
    """The addresses of routes."""

    def __init__(self, source: Source, renderer: Renderer, forms: Forms) -> None:
        self._source = source
        self._renderer = renderer
        self._forms = forms

    def routes(self) -> list[Route]:
        """Return the routes; the one that changes something answers POST only."""
        return [
            Route("/routes", self._routes, methods=["GET"]),
            self._forms.post("/routes/switch", self._switch),
        ]

    async def _routes(self, request: Request) -> Response:
        asked = {name: request.query_params.get(name, "")[:500] for name in _ASKED}
        problem, outcome = "", None
        if asked["title"] or asked["rule"]:
            try:
                outcome = self._rehearse(asked)
            except UsageError as error:
                problem = str(error)
        return self._show(request, asked, outcome, problem)

    def _show(
        self,
        request: Request,
        asked: Mapping[str, str],
        outcome: Mapping[str, Any] | None = None,
        problem: str = "",
    ) -> Response:
        settings = self._source.watching().settings
        own = [rule for rule in settings.rules if rule.enabled and rule.to]
        return self._renderer.page(
            "routes",
            "/routes",
            400 if problem else 200,
            notice=self._renderer.said(request),
            problem=problem,
            own=own[:RULES],
            own_all=len(own),
            routes=[(each, _when(each), _policy(each)) for each in settings.routes],
            channels=[
                (name, _kind(each), _policy(each), each.enabled)
                for name, each in settings.channels.items()
            ],
            default=default_channel(settings),
            asked=asked,
            outcome=outcome,
            severities=[each.label for each in Severity],
            rules=[rule.name for rule in settings.rules][:RULES],
        )

    def _rehearse(self, asked: Mapping[str, str]) -> Mapping[str, Any]:
        watching = self._source.watching()
        settings, now = watching.settings, self._source.clock.now()
        zone = ZoneInfo(settings.defaults.timezone)
        at = moment(asked["at"], zone, now) if asked["at"].strip() else now
        labels = self._labels(asked, settings)
        outcome = rehearse(labels, Router(settings), settings, at)
        outcome["at"] = _said(at.astimezone(zone))
        for each in outcome["to"]:
            if each["until"]:
                each["until"] = _said(datetime.fromisoformat(each["until"]).astimezone(zone))
        return outcome

    def _labels(self, asked: Mapping[str, str], settings: Settings) -> Labels:
        tags = tuple(tag.strip() for tag in asked["tag"].split(",") if tag.strip())
        given = asked["severity"]
        severity = Severity.parse(given) if given in [each.label for each in Severity] else None
        if asked["rule"]:
            rule = next((each for each in settings.rules if each.name == asked["rule"]), None)
            if rule is None:
                raise UsageError(f"there is no rule {asked['rule']!r} in the configuration")
            severity = severity or Severity.parse(rule.severity)
            return Labels((rule.name,), severity, tags=tags, feed=asked["feed"])
        document = Document("title", asked["title"], tags=tags, feed=asked["feed"] or None)
        ruleset, now = self._source.watching().ruleset, self._source.clock.now()
        return labels_of_text(document, ruleset, settings, now)

    async def _switch(self, request: Request, form: FormData) -> Response:
        number, enabled = text(form, "number"), text(form, "enabled") == "true"
        try:
            change = await asyncio.to_thread(self._switched, number, enabled=enabled)
        except ConfigError as error:
            return self._show(request, dict.fromkeys(_ASKED, ""), problem=str(error))
        said = f"Route {int(number) + 1} is {'on' if enabled else 'off'}."
        return self._forms.propose(change, "/routes", said)

    def _switched(self, number: str, *, enabled: bool) -> Change:
        config, env = self._source.config, self._source.env
        loaded = load(config, env)
        if not number.isdecimal() or int(number) >= len(loaded.settings.routes):
            raise ConfigError([Problem("there is no such route in the configuration")])
        file, index = place_of(loaded, "routes", int(number))

        def switch(item: dict[str, Any]) -> None:
            if enabled:
                item.pop("enabled", None)
            else:
                item["enabled"] = False

        return Change.of(file, with_change(text_of(file), "routes", index, switch), config, env)


def _said(at: datetime) -> str:
    return f"{at:%a %-d %b %Y, %H:%M}"


def _when(route: RouteSettings) -> str:
    parts = (f"{label}: {', '.join(values)}" for label, values in route.when.items() if values)
    return "; ".join(parts) or "every alert"


def _policy(policy: Policy) -> str:
    """Return what a policy says, in words."""
    said = []
    for name in _POLICIES:
        if value := getattr(policy, name):
            words = ", ".join(map(str, value)) if isinstance(value, list) else _words(value)
            said.append(f"{name.replace('_', ' ')}: {words}")
    return "; ".join(said)


def _words(value: Any) -> str:
    if isinstance(value, QuietHours):
        return f"{value.from_:%H:%M}–{value.to:%H:%M}, then {value.release}"
    if isinstance(value, UnansweredSettings):
        return f"after {value.after} tell {', '.join(value.to)}"
    return str(value)


def _kind(channel: ChannelSettings) -> str:
    """Return where a channel leads, without what is secret of it."""
    if channel.slack:
        return f"Slack {channel.slack}"
    return next((kind for kind in _KINDS if getattr(channel, kind)), "nowhere")
