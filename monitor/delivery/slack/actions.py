"""What people say to the watch in Slack: buttons, menus and `/watch`, from payloads to values.

Pure. What comes of it is decided outside this stage (``monitor.daemon.reactions``).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, Protocol

from monitor.delivery.slack.blocks import (
    badge,
    bullets,
    context,
    date,
    link,
    marked,
    plain,
    quote,
    rich_text,
    section,
    words,
)
from monitor.delivery.text import shown, shown_around, vet_link
from monitor.delivery.wording import reason_of, rule_names, title_of
from monitor.values import Alert, Severity

Action = Literal["read", "not_relevant", "follow", "mute", "snooze", "why"]
ACTIONS: tuple[Action, ...] = ("read", "not_relevant", "follow", "mute", "snooze", "why")
OLD_BUTTON = "This button is from a message of an older version and does nothing any more."
USAGE = 'Usage: /watch add "QUERY" [#channel] | list | mute RULE [4h] | status | test "QUERY"'
VALUE_VERSION = "1"
MUTE_FOR = timedelta(hours=24)
SNOOZE_FOR = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button or menu item of an alert. ``trigger`` opens a modal within three seconds."""

    action: Action
    story_id: str
    delivery_id: str
    user: str
    trigger: str = ""


@dataclass(frozen=True, slots=True)
class Add:
    query: str
    channel: str  # a Slack channel's name or ID; "" is the one the command was given in


@dataclass(frozen=True, slots=True)
class Mute:
    rule: str
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class TryQuery:
    query: str


@dataclass(frozen=True, slots=True)
class Show:
    what: Literal["list", "status"]


@dataclass(frozen=True, slots=True)
class Wrong:
    """Words that can't be understood, with what to say about it."""

    said: str


Command = Add | Mute | TryQuery | Show | Wrong


@dataclass(frozen=True, slots=True)
class Asked:
    """A `/watch` command, who gave it and where."""

    command: Command
    user: str
    channel_id: str = ""
    channel_name: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What only the person who acted sees: a line of text, or a modal."""

    text: str = ""
    view: Mapping[str, Any] | None = None


class Answerer(Protocol):
    """Carries out what people ask for. Raises ``NewswatchError`` with words for them."""

    async def pressed(self, press: Pressed) -> Reply: ...

    async def asked(self, asked: Asked) -> Reply: ...


def read_press(payload: Mapping[str, Any]) -> Pressed | Wrong:
    """Read a ``block_actions`` payload. A button of an old or unknown form is refused in words."""
    chosen = (payload.get("actions") or [{}])[0]
    name = str(chosen.get("action_id") or "")
    value = str(chosen.get("value") or "")
    if name == "more":
        name, _, value = str((chosen.get("selected_option") or {}).get("value") or "").partition(
            "|"
        )
    parts = value.split("|")
    action = next((each for each in ACTIONS if each == name), None)
    if action is None or len(parts) != 3 or parts[0] != VALUE_VERSION:
        return Wrong(OLD_BUTTON)
    user = str((payload.get("user") or {}).get("id") or "")
    return Pressed(action, parts[1], parts[2], user, str(payload.get("trigger_id") or ""))


def read_command(payload: Mapping[str, Any]) -> Asked:
    """Read a ``slash_commands`` payload."""
    return Asked(
        parse_watch(str(payload.get("text") or "")),
        str(payload.get("user_id") or ""),
        str(payload.get("channel_id") or ""),
        str(payload.get("channel_name") or ""),
    )


_CHANNEL = re.compile(r"<#(?P<id>[CG][A-Z0-9]+)(\|[^>]*)?>|#(?P<name>[^\s<>]+)")
_SPAN = re.compile(r"(\d+)([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
# Phones and word processors turn straight quotes into these.
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'"})


def parse_watch(text: str) -> Command:
    """Read the words after `/watch`. Slack escapes ``& < >`` in them (``should_escape``)."""
    verb, _, rest = text.strip().partition(" ")
    rest = rest.strip().translate(_QUOTES)
    match verb.lower():
        case "list" | "status" if not rest:
            return Show("list" if verb.lower() == "list" else "status")
        case "add":
            return _parse_add(rest)
        case "test":
            query = _unquoted(_unescaped(rest))
            return TryQuery(query) if query else Wrong(USAGE)
        case "mute" | "snooze":
            return _parse_mute(_unescaped(rest))
        case _:
            return Wrong(USAGE)


def _parse_add(rest: str) -> Command:
    found = list(_CHANNEL.finditer(rest))
    channel = ""
    # The channel stands last; a `#` inside the query names a list.
    if found and found[-1].end() == len(rest) and not rest.endswith('"'):
        channel = found[-1]["id"] or found[-1]["name"]
        rest = rest[: found[-1].start()].strip()
    query = _unquoted(_unescaped(rest))
    return Add(query, channel) if query else Wrong(USAGE)


def _parse_mute(rest: str) -> Command:
    name, _, last = rest.rpartition(" ")
    span = _SPAN.fullmatch(last)
    if span and name:
        return Mute(_unquoted(name), timedelta(**{_UNITS[span[2]]: int(span[1])}))
    name = _unquoted(rest)
    return Mute(name, SNOOZE_FOR) if name else Wrong(USAGE)


def _unquoted(text: str) -> str:
    """Take off one pair of quotes around the whole, not those of a phrase inside."""
    text = text.strip()
    try:
        parts = shlex.split(text)
    except ValueError:
        return text
    return parts[0].strip() if len(parts) == 1 and text[:1] in "\"'" else text


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def why_view(alert: Alert) -> dict[str, Any]:
    """Return the modal that answers "Why this alert?", with the marked text."""
    to = vet_link(alert.url)
    title = title_of(alert)
    head = [link(to, title, bold=True) if to else words(title, bold=True)]
    lines = [section(head)]
    if alert.summary is not None:
        part = shown_around(alert.summary.quote, 1000)
        if part.text:
            lines.append(quote(marked(part)))
    facts = [
        ("Rule", rule_names(alert)),
        ("Why now", reason_of(alert)),
        ("Sources", shown(", ".join(alert.sources[:20]), 300)),
        ("Entities", shown(", ".join(alert.entities[:20]), 300)),
    ]
    terms = [section([words(shown(term, 100))]) for term in alert.terms[:20] if shown(term, 100)]
    for name, value in facts:
        if value:
            lines.append(section([words(f"{name}: ", bold=True), words(value)]))
    if alert.severity is not Severity.NORMAL:
        label = badge(Severity(alert.severity))
        lines.append(section([words("Severity: ", bold=True), *label]))
    if terms:
        lines += [section([words("Terms that matched:", bold=True)]), bullets(terms)]
    blocks = [rich_text(lines)]
    if (when := alert.published or alert.first_seen) is not None:
        blocks.append(context([plain(shown(alert.source, 100) or "source"), date(when)]))
    return {
        "type": "modal",
        "title": plain("Why this alert?"),
        "close": plain("Close"),
        "blocks": blocks,
    }
