"""From an alert to the body of ``chat.postMessage`` (without the channel). Pure functions.

The first line says how urgent, which rule, how many sources; then the linked title, the sentence
that matched with its terms in bold, source and time, and why now. Nothing else: no colour, image
or unfurled link (unfurls make one entry fill the screen).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.delivery.sender import Form
from monitor.delivery.slack.blocks import (
    Block,
    Element,
    badge,
    context,
    date,
    link,
    marked,
    mention,
    plain,
    quote,
    rich_text,
    section,
    words,
)
from monitor.delivery.slack.lists import MENTIONS, render_list
from monitor.delivery.text import Link, escape_cut, vet_link
from monitor.delivery.wording import (
    STORY_KINDS,
    notification,
    passage,
    reason_of,
    rule_names,
    source_names,
    term_names,
    title_of,
)
from monitor.values import Alert, Severity

EVENT_TYPE = "newswatch_alert"
TEXT_MAX = 600  # the notification; phones show about 150 characters


def render(
    alert: Alert,
    *,
    delivery_id: str = "",
    form: Form = "full",
    buttons: bool = False,
    earlier: str | None = None,
) -> dict[str, Any]:
    """Return the message body for ``alert``.

    Args:
        alert: what to show.
        delivery_id: goes into the metadata (to find the message again) and the buttons.
        form: "full"; "short" has title, link and source alone; "plain" has no blocks at all.
        buttons: whether people can answer (needs Socket Mode).
        earlier: the permalink of this story's earlier message, linked from a new one.
    """
    if alert.kind in STORY_KINDS:
        blocks = _story(alert, form, earlier)
        if buttons and form == "full" and alert.kind != "update" and delivery_id:
            blocks.append(actions(alert, delivery_id))
    else:
        blocks = render_list(alert, form)
    body: dict[str, Any] = {
        "text": escape_cut(notification(alert), TEXT_MAX),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": metadata(alert, delivery_id),
    }
    if form != "plain":
        body["blocks"] = blocks
    return body


def metadata(alert: Alert, delivery_id: str) -> dict[str, Any]:
    """Return the message's metadata. Every app in the workspace can read it: ids only."""
    return {
        "event_type": EVENT_TYPE,
        "event_payload": {
            "v": 1,
            "delivery_id": delivery_id,
            "kind": alert.kind,
            "story": alert.story_id[:100],
        },
    }


def delivery_id_of(message: Mapping[str, Any]) -> str | None:
    """Return the delivery id that a message from Slack's history carries, or None."""
    data = message.get("metadata") or {}
    if data.get("event_type") != EVENT_TYPE:
        return None
    found = (data.get("event_payload") or {}).get("delivery_id")
    return found if isinstance(found, str) else None


def _story(alert: Alert, form: Form, earlier: str | None) -> list[Block]:
    """Return the blocks of a story. Their kinds never change between a message and its edits:
    Slack refuses to replace rich text by other blocks (``block_mismatch``)."""
    to = vet_link(alert.url)
    lines: list[Element] = [section(_first_line(alert))]
    lines.append(section(_title_line(alert, to)))
    shown = passage(alert)
    if form == "full" and shown.text:
        lines.append(quote(marked(shown)))
    return [
        rich_text(lines, f"story:{alert.story_id[:100]}:{alert.revision}:{alert.kind}"),
        context(_foot(alert, form, earlier)),
    ]


def _first_line(alert: Alert) -> list[Element]:
    line: list[Element] = []
    parts: list[Element] = badge(Severity(alert.severity))
    if names := rule_names(alert):
        parts.append(words(names))
    if len(alert.sources) > 1:
        parts.append(words(f"{len(alert.sources)} sources"))
    for at, part in enumerate(parts or [words("News")]):
        if at:
            line.append(words(" · "))
        line.append(part)
    for who in alert.mention[:MENTIONS]:
        if (element := mention(who)) is not None:
            line += [words(" "), element]
    return line


def _title_line(alert: Alert, to: Link | None) -> list[Element]:
    title = title_of(alert)
    if to is None:
        return [words(title, bold=True)]
    line = [link(to, title, bold=True)]
    if to.shown_host:  # letters that look like others: say where the link really goes
        line.append(words(f" ({to.shown_host})"))
    return line


def _foot(alert: Alert, form: Form, earlier: str | None) -> list[Element]:
    parts: list[Element] = []
    if names := source_names(alert):
        parts.append(plain(names))
    when = alert.published or alert.first_seen
    if when is not None:
        parts.append(date(when))
    if form == "full":
        if reason := reason_of(alert):
            parts.append(plain(reason))
        if terms := term_names(alert):
            parts.append(plain(f"matched: {terms}"))
    if earlier and (to := vet_link(earlier)) is not None:
        # Slack's own permalink, built from ids.
        parts.append({"type": "mrkdwn", "text": f"<{to.url}|earlier>", "verbatim": True})
    return parts or [plain("newswatch")]


def actions(alert: Alert, delivery_id: str) -> Block:
    """Return the row of buttons. Values carry ids and a version, so that a button of an old
    message is still understood, or refused in words."""
    value = f"1|{alert.story_id[:100]}|{delivery_id}"
    buttons: list[Element] = []
    if (to := vet_link(alert.url)) is not None:
        buttons.append(
            {
                "type": "button",
                "action_id": "read",
                "text": plain("Read"),
                "url": to.url,
                "value": value,
            }
        )
    for action, label in (("not_relevant", "Not relevant"), ("follow", "Follow")):
        buttons.append(
            {"type": "button", "action_id": action, "text": plain(label), "value": value}
        )
    options = [
        {"text": plain(label), "value": f"{name}|{value}"}
        for name, label in (
            ("mute", "Mute this source for 24 h"),
            ("snooze", "Snooze this rule for 4 h"),
            ("why", "Why this alert?"),
        )
    ]
    buttons.append({"type": "overflow", "action_id": "more", "options": options})
    return {
        "type": "actions",
        "block_id": f"act:{delivery_id}:{alert.revision}",
        "elements": buttons,
    }
