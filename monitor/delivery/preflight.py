"""Before the start: does Slack accept the token, and are the channels there?

Only definite refusals are reported. A Slack that can't be reached, is slow or limits us is an
outage, and an outage never keeps the watch from collecting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from monitor.delivery.sender import ChannelRefused, Sender
from monitor.delivery.slack.send import SlackSender

WORKSPACE_BLOB = "slack/workspace"  # its address, for links to messages
PATIENCE = 5.0  # seconds, for all questions together
TOKEN_ERRORS = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "not_allowed_token_type",
        "team_not_found",
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Slack refused. ``channel`` is the channel's configured name, or None for the token."""

    channel: str | None
    reason: str
    hint: str


async def refused_token(senders: Mapping[str, Sender]) -> Refusal | None:
    """Return why Slack refuses the token, or None (accepted, or not known)."""
    slack = next((each for each in senders.values() if isinstance(each, SlackSender)), None)
    if slack is None:
        return None
    try:
        result = await asyncio.wait_for(slack.probe(), PATIENCE)
    except TimeoutError:
        return None
    if isinstance(result, ChannelRefused) and result.reason in TOKEN_ERRORS:
        return Refusal(None, result.reason, result.hint)
    return None


def workspace_of(senders: Mapping[str, Sender]) -> str | None:
    """Return the workspace's address as Slack told it when it was asked of the token, or None."""
    slack = (each for each in senders.values() if isinstance(each, SlackSender))
    return next((each.workspace for each in slack if each.workspace), None)


async def refused_channels(senders: Mapping[str, Sender]) -> tuple[Refusal, ...]:
    """Return the Slack channels that Slack doesn't know or doesn't let the app see."""
    out = []
    for name, sender in senders.items():
        if not isinstance(sender, SlackSender):
            continue
        try:
            result = await asyncio.wait_for(sender.find(), PATIENCE)
        except TimeoutError:
            break
        if isinstance(result, ChannelRefused):
            out.append(Refusal(name, result.reason, result.hint))
    return tuple(out)
