"""What people ask for in Slack, carried out: reactions, silences, rules, looks at the watch.

Joins the delivery stage's words (``monitor.delivery.slack.actions``) with the store, silences and
the configuration, which no stage may do by itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from monitor.alerts.silence import add_silence, load_silences, make_silence
from monitor.alerts.unanswered import note_answer
from monitor.clock import Clock
from monitor.codec import alert_from_json
from monitor.config.edit import append_rule
from monitor.config.models import RuleSettings, Settings
from monitor.delivery.planner import FOLLOWED_BLOB
from monitor.delivery.slack.actions import (
    MUTE_FOR,
    SNOOZE_FOR,
    Add,
    Asked,
    Mute,
    Pressed,
    Reply,
    Show,
    TryQuery,
    Wrong,
    why_view,
)
from monitor.delivery.text import clean, shown
from monitor.errors import ConfigError
from monitor.pipeline.documents import document_of_stored
from monitor.rules import Compiled, compile_rules
from monitor.store.port import OutboxRow, Store
from monitor.values import Alert, Feed, Severity

log = logging.getLogger(__name__)

FEEDBACK_BLOB = "alerts/feedback"  # by delivery id: what was said of which rules, by whom, when
RULES_FILE = Path("rules.d/slack.yaml")
KEPT = 5000  # reactions remembered; the oldest give way
LOOK_BACK = timedelta(hours=24)
SAID = {
    "read": "",
    "not_relevant": "Noted as not relevant. `newswatch stats` shows what that says of the rule.",
    "follow": "You follow this story: its developments are also told in the channel.",
}


@dataclass(frozen=True, slots=True)
class InForce:
    """The configuration as it is now."""

    settings: Settings
    feeds: Mapping[str, Feed]


class Reactions:
    """Carries out what people ask for in Slack."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        in_force: Callable[[], InForce],
        config: Path,
        env: Mapping[str, str],
    ) -> None:
        self._store = store
        self._clock = clock
        self._in_force = in_force
        self._config = config
        self._env = env
        self._writing = asyncio.Lock()  # two people may press at once

    # Buttons -----------------------------------------------------------------------------------

    async def pressed(self, press: Pressed) -> Reply:
        """Carry out a button or menu item."""
        row = await self._row(press)
        if row is None:
            return Reply("This alert is no longer in the store, so nothing can be done with it.")
        alert = alert_from_json(row.payload)
        match press.action:
            case "why":
                return Reply(view=why_view(alert))
            case "mute":
                return Reply(await self._mute_source(alert, press.user))
            case "snooze":
                return Reply(await self._snooze(alert.rules, SNOOZE_FOR, press.user))
            case action:
                await self._note(press, alert)
                return Reply(SAID[action])

    async def _row(self, press: Pressed) -> OutboxRow | None:
        family = await self._store.outbox_rows(story_id=press.story_id)
        return next((row for row in family if row.id == press.delivery_id), None)

    async def _note(self, press: Pressed, alert: Alert) -> None:
        async with self._writing:
            await self._write(press, alert, self._clock.now())
        log.info("reaction", extra={"delivery": press.delivery_id, "said": press.action})

    async def _write(self, press: Pressed, alert: Alert, now: datetime) -> None:
        await note_answer(self._store, press.delivery_id, press.action, now)
        feedback = await self._load(FEEDBACK_BLOB)
        of_row = feedback.setdefault(press.delivery_id, {})
        of_row["rules"], of_row["story"] = list(alert.rules), press.story_id
        of_row.setdefault("said", {})[press.user] = [press.action, now.isoformat()]
        blobs: dict[str, bytes | None] = {FEEDBACK_BLOB: _newest(feedback)}
        if press.action == "follow":
            followed = await self._load(FOLLOWED_BLOB)
            followed[press.story_id] = now.isoformat()
            blobs[FOLLOWED_BLOB] = _newest(followed)
        await self._store.put_blobs(blobs)

    async def _load(self, name: str) -> dict[str, Any]:
        stored = await self._store.blob(name)
        loaded: dict[str, Any] = json.loads(stored) if stored else {}
        return loaded

    async def _mute_source(self, alert: Alert, user: str) -> str:
        if not self._is_admin(user):
            return self._not_allowed("mute a source for everyone")
        if not alert.source:
            return "This alert names no source."
        when = (("source", (alert.source,)),)
        return await self._silence(when, MUTE_FOR, user, shown(alert.source, 80))

    async def _snooze(self, rules: tuple[str, ...], lasts: timedelta, user: str) -> str:
        known = {rule.name: rule for rule in self._in_force().settings.rules}
        missing = [name for name in rules if name not in known]
        if missing:
            return f"There is no rule {shown(missing[0], 100)!r} (any more): see /watch list"
        if not all(self._may_mute(known[name].added_by, user) for name in rules):
            return self._not_allowed("snooze a rule that somebody else added")
        when = (("rule", rules),)
        return await self._silence(when, lasts, user, shown(", ".join(rules), 200))

    async def _silence(
        self, when: tuple[tuple[str, tuple[str, ...]], ...], lasts: timedelta, user: str, what: str
    ) -> str:
        now = self._clock.now()
        silence = make_silence(when, lasts, now, by=user, comment="from Slack")
        await add_silence(self._store, silence)
        log.info("silence set", extra={"what": silence.words(), "by": user})
        hours = lasts.total_seconds() / 3600
        return f"Muted for {hours:g} h: {what}. Critical alerts still come."

    def _is_admin(self, user: str) -> bool:
        return bool(user) and user in self._in_force().settings.slack.admins

    def _may_mute(self, added_by: str | None, user: str) -> bool:
        return self._is_admin(user) or (bool(user) and added_by == user)

    def _not_allowed(self, what: str) -> str:
        if not self._in_force().settings.slack.admins:
            return (
                f"Nobody may {what} yet: list user IDs under slack: admins: in the configuration."
            )
        return f"Only admins (slack.admins) may {what}."

    # /watch ------------------------------------------------------------------------------------

    async def asked(self, asked: Asked) -> Reply:
        """Carry out a `/watch` command."""
        match asked.command:
            case Wrong(said):
                return Reply(said)
            case Add(query, channel):
                return Reply(await self._add(query, channel, asked))
            case Mute(rule, lasts):
                return Reply(await self._snooze((rule,), lasts, asked.user))
            case TryQuery(query):
                return Reply(await self._test(query))
            case Show("list"):
                return Reply(await self._list())
            case Show():
                return Reply(await self._status())

    async def _add(self, query: str, channel: str, asked: Asked) -> str:
        if not self._is_admin(asked.user):
            return self._not_allowed("add a rule")
        names = {channel.lstrip("#")} if channel else {asked.channel_id, asked.channel_name}
        settings = self._in_force().settings
        to = next(
            (
                name
                for name, each in settings.channels.items()
                if each.enabled and each.slack and each.slack.lstrip("#") in names
            ),
            None,
        )
        if to is None:
            where = channel or asked.channel_name or "this channel"
            return f"No configured channel posts to {shown(where, 80)}: add it under channels:"
        name = shown(query, 80)
        # Compiled first: a query that can't be understood must not stop the reload of all others.
        if wrong := await asyncio.to_thread(self._wrong, query):
            return wrong
        rule = {"name": name, "match": query, "to": to, "added_by": asked.user}
        path = self._config.parent / RULES_FILE
        try:
            await asyncio.to_thread(append_rule, path, rule, main=self._config, env=self._env)
        except ConfigError as error:
            return "\n".join(each.message + _hint(each.hint) for each in error.problems)
        log.info("rule added", extra={"rule": name, "by": asked.user})
        return f"Added: {name}, to “{to}”. It is in force in a moment."

    def _wrong(self, query: str) -> str:
        """Return what is wrong with ``query``, in words; empty when it compiles."""
        return _errors(self._compiled(query))

    def _compiled(self, query: str) -> Compiled:
        rule = RuleSettings.model_validate({"name": "test", "match": query})
        return compile_rules(self._in_force().settings.model_copy(update={"rules": [rule]}))

    async def _test(self, query: str) -> str:
        in_force = self._in_force()
        compiled = await asyncio.to_thread(self._compiled, query)
        if wrong := _errors(compiled):
            return wrong
        found = await self._store.entries_since(self._clock.now() - LOOK_BACK)
        titles = []
        for number, each in enumerate(found):
            if compiled.ruleset.match(document_of_stored(each, in_force.feeds)):
                titles.append(shown(each.entry.entry.title, 120))
            if number % 64 == 63:
                await asyncio.sleep(0)
        head = f"{len(titles)} of {len(found)} entries of the last 24 h match."
        return "\n".join([head, *(f"• {title}" for title in titles[-5:])])

    async def _list(self) -> str:
        settings, now = self._in_force().settings, self._clock.now()
        lines = []
        for rule in settings.rules:
            to = f" → {', '.join(rule.to)}" if rule.to else ""
            by = f" (added by {rule.added_by})" if rule.added_by else ""
            off = "" if rule.enabled else " [off]"
            severity = Severity.parse(rule.severity)
            level = "" if severity is Severity.NORMAL else f" [{severity.label}]"
            lines.append(f"• {shown(rule.name, 100)}{level}{to}{by}{off}")
        silences = [each for each in await load_silences(self._store) if each.active(now)]
        for silence in silences:
            left = _hours(silence.until - now)
            lines.append(f"muted for {left} more: {shown(silence.words(), 150)}")
        return "\n".join(lines) or "There are no rules."

    async def _status(self) -> str:
        states = (await self._store.feed_states()).values()
        counts = await self._store.outbox_counts()
        failing = [state for state in states if state.failures]
        lines = [
            f"{len(states)} feeds, {len(failing)} failing; "
            f"{len(self._in_force().settings.rules)} rules",
            "outbox: " + (", ".join(f"{n} {name}" for name, n in counts.items()) or "empty"),
        ]
        for state in sorted(failing, key=lambda each: -each.failures)[:5]:
            told = shown(state.last_status, 80)
            lines.append(f"• {shown(state.title or state.key, 80)}: {told}")
        return "\n".join(lines)


def _newest(values: dict[str, Any]) -> bytes:
    """Return the newest of ``values`` as JSON: ids are ULIDs, so they sort by time."""
    kept = sorted(values)[-KEPT:]
    return json.dumps({name: values[name] for name in kept}).encode()


def _errors(compiled: Compiled) -> str:
    errors = [each for each in compiled.problems if each.level == "error"]
    return "\n".join(each.message + _hint(each.hint) for each in errors)


def _hint(hint: str) -> str:
    return f" ({clean(hint)})" if hint else ""


def _hours(left: timedelta) -> str:
    minutes = int(left.total_seconds() // 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.0f} h"
