"""What Slack's answers and the network's failures mean for a message: pure classification.

The error names are those of chat.postMessage and chat.update (docs.slack.dev/reference/methods).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from monitor.delivery.sender import (
    ChannelRefused,
    MessageRefused,
    NotReached,
    RateLimited,
    Result,
    RootGone,
    TryLater,
    Unclear,
)

DEFAULT_RETRY_AFTER = 30.0  # a 429 without (or with an unreadable) Retry-After

# Outcomes in which "some aspect of the operation succeeded" is possible (Slack's words).
UNCLEAR = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable"})

CHANNEL_HINTS = {
    "invalid_auth": "the token is not valid: check slack.token",
    "not_authed": "no token was sent: set slack.token",
    "account_inactive": "the app's account was deactivated: reinstall the app",
    "token_revoked": "the token was revoked: reinstall the app and set the new slack.token",
    "token_expired": "the token has expired: set a new slack.token",
    "no_permission": "the app lacks a permission: reinstall it from slack/manifest.yaml",
    "org_login_required": "the workspace is being migrated: wait",
    "ekm_access_denied": "an administrator suspended posting",
    "team_access_not_granted": "the app isn't approved for this workspace: ask an administrator",
    "access_denied": "the app isn't allowed to post: ask an administrator",
    "missing_scope": "the app lacks a scope: add it (slack/manifest.yaml has all) and reinstall",
    "not_allowed_token_type": "slack.token must be a bot token (xoxb-…)",
    "channel_not_found": "no such channel, or a private one: check its name and invite the app",
    "not_in_channel": "invite the app to the channel: /invite @newswatch",
    "is_archived": "the channel is archived: unarchive it or name another",
    "restricted_action": "a workspace preference forbids posting there",
    "restricted_action_read_only_channel": "the channel is read-only",
    "restricted_action_thread_only_channel": "only answers are allowed in this channel",
    "restricted_action_non_threadable_channel": "answers are not allowed in this channel",
    "messages_tab_disabled": "the app's messages tab is switched off",
    "team_not_found": "the token's workspace is gone",
    "user_is_bot": "a bot can't be written to",
    "cannot_reply_to_message": "this kind of message can't be answered",
    # Incoming webhooks answer in plain text (docs.slack.dev, sending messages using webhooks).
    "no_service": "the webhook was removed or switched off: make a new one",
    "no_service_id": "the webhook's address is not complete",
    "no_team": "the webhook's workspace is gone",
    "team_disabled": "the webhook's workspace is switched off",
    "invalid_token": "the webhook's address is wrong",
    "channel_is_archived": "the channel is archived: unarchive it or make another webhook",
    "action_prohibited": "an administrator forbids posting there",
    "posting_to_general_channel_denied": "posting to #general is not allowed",
}

MESSAGE_ERRORS = frozenset(
    {
        "msg_too_long",
        "msg_blocks_too_long",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_block_id",
        "block_mismatch",
        "attachment_payload_limit_exceeded",
        "too_many_attachments",
        "too_many_contact_cards",
        "no_text",
        "no_content",
        "invalid_arguments",
        "invalid_arg_name",
        "invalid_array_arg",
        "invalid_form_data",
        "invalid_json",
        "invalid_payload",
        "json_not_object",
        "invalid_metadata_format",
        "invalid_metadata_schema",
        "metadata_too_large",
        "metadata_must_be_sent_from_app",
        "markdown_text_conflict",
        "slack_connect_file_link_sharing_blocked",
    }
)

ROOT_ERRORS = frozenset(
    {
        "message_not_found",
        "cant_update_message",
        "edit_window_closed",
        "thread_not_found",
        "cannot_reply_to_message",
    }
)


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """Return the service's time as its answer's Date header tells it; None where it doesn't."""
    found = next((value for name, value in headers.items() if name.lower() == "date"), "")
    try:
        date = parsedate_to_datetime(found)
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def from_error(error: str, needed: str = "") -> Result:
    """Return what ``{"ok": false, "error": error}`` means; ``needed`` is a missing scope."""
    if error in UNCLEAR:
        return Unclear(error)
    if error in ROOT_ERRORS:
        return RootGone(error)
    if error in MESSAGE_ERRORS:
        return MessageRefused(error)
    if error in ("ratelimited", "rate_limited", "message_limit_exceeded"):
        return RateLimited(DEFAULT_RETRY_AFTER)
    if error in CHANNEL_HINTS:
        hint = CHANNEL_HINTS[error]
        if error == "missing_scope" and needed:
            hint = f"add the scope {needed} (oauth_config.scopes.bot in slack/manifest.yaml) "
            hint += "and reinstall the app"
        return ChannelRefused(error, hint)
    return TryLater(error or "an error without a name")


def from_status(status: int, headers: dict[str, str], body: object) -> Result:
    """Return what an answer that isn't ``{"ok": …}`` means."""
    if status == 429:
        return RateLimited(retry_after(headers))
    if status >= 500 or status == 200:
        return Unclear(f"HTTP {status}" + ("" if status >= 500 else " with no Slack answer"))
    if 300 <= status < 400:
        return NotReached(f"HTTP {status}: redirected, something stands between us and Slack")
    if isinstance(body, str) and body.strip() in CHANNEL_HINTS:
        return from_error(body.strip())
    if isinstance(body, str) and body.strip() in MESSAGE_ERRORS:
        return MessageRefused(body.strip())
    if status in (403, 404, 410):
        return ChannelRefused(f"HTTP {status}", "check the address (slack.webhook, slack.api_url)")
    return TryLater(f"HTTP {status}")


def retry_after(headers: dict[str, str]) -> float:
    """Return the seconds that a 429 asks for; a nonsensical value is taken as 30."""
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        seconds = float(lowered.get("retry-after", ""))
    except ValueError:
        return DEFAULT_RETRY_AFTER
    return seconds if 0 < seconds < 86_400 else DEFAULT_RETRY_AFTER


def from_exception(error: BaseException, hide: str = "") -> Result:
    """Return what a failed request means: only failures before the request could be written are
    certain not to have posted. ``hide`` is an address that must not be told."""
    told = str(error).replace(hide, "(the address)") if hide else str(error)
    reason = f"{type(error).__name__}: {told}"[:200]
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.InvalidURL):
        return NotReached(reason)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return NotReached(reason)
    if isinstance(error, asyncio.TimeoutError):
        return Unclear("no answer in time")
    return Unclear(reason)
