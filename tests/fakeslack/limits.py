"""What Slack refuses in a message, by the error it would answer with.

Written from Slack's reference (docs.slack.dev/reference/block-kit, chat.postMessage), independent
of the product's own check, so that one can catch a mistake in the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

Problem = tuple[str, str]  # (Slack's error, where and why)

MESSAGE_BLOCKS = {
    "actions",
    "context",
    "divider",
    "header",
    "image",
    "markdown",
    "rich_text",
    "section",
    "table",
}
KEYS = {
    "section": {"text", "fields", "accessory", "expand"},
    "header": {"text", "level"},
    "context": {"elements"},
    "actions": {"elements"},
    "divider": set(),
    "rich_text": {"elements"},
    "markdown": {"text"},
}
RICH = {
    "rich_text_section": {"elements"},
    "rich_text_list": {"elements", "style", "indent", "offset", "border"},
    "rich_text_quote": {"elements", "border"},
    "rich_text_preformatted": {"elements", "border", "language"},
}
RICH_LEAVES = {
    "text": {"text", "style"},
    "link": {"url", "text", "style", "unsafe"},
    "emoji": {"name", "unicode", "style"},
    "user": {"user_id", "style"},
    "usergroup": {"usergroup_id", "style"},
    "broadcast": {"range", "style"},
    "channel": {"channel_id", "style"},
    "date": {"timestamp", "format", "fallback", "url", "style"},
}
STYLES = {
    "bold",
    "italic",
    "strike",
    "code",
    "underline",
    "highlight",
    "client_highlight",
    "unlink",
}


def length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def problems(body: dict[str, Any], *, update: bool = False) -> list[Problem]:
    """Return every reason for which Slack would refuse this body."""
    return list(_problems(body, update))


def _problems(body: dict[str, Any], update: bool) -> Iterator[Problem]:
    text, blocks = body.get("text") or "", body.get("blocks") or []
    if isinstance(blocks, str):
        blocks = json.loads(blocks)
    if not text and not blocks and not body.get("attachments"):
        yield "no_text", "neither text nor blocks"
    if length(text) > (4000 if update else 40_000):
        yield "msg_too_long", f"text of {length(text)}"
    if len(body.get("attachments") or []) > 100:
        yield "too_many_attachments", "more than 100"
    if len(blocks) > 50:
        yield "invalid_blocks", f"{len(blocks)} blocks"
    if length(json.dumps(blocks, ensure_ascii=False, separators=(",", ":"))) > 13_200:
        yield "msg_blocks_too_long", "blocks over 13,200 characters"
    ids: set[str] = set()
    actions: set[str] = set()
    for at, block in enumerate(blocks):
        where = f"/blocks/{at}"
        if block.get("type") not in MESSAGE_BLOCKS:
            yield "invalid_blocks", f"{where}: type {block.get('type')!r}"
            continue
        name = block.get("block_id")
        if name is not None and (length(name) > 255 or name in ids):
            yield "invalid_blocks", f"{where}: block_id"
        ids.add(name or f"#{at}")
        allowed = KEYS.get(block["type"])
        if allowed is not None and (extra := set(block) - allowed - {"type", "block_id"}):
            yield "invalid_blocks", f"{where}: unknown keys {sorted(extra)}"
        for why in _block(block, actions):
            yield "invalid_blocks", f"{where}: {why}"
    metadata = body.get("metadata")
    if metadata is not None:
        if isinstance(metadata, str):
            metadata = json.loads(metadata)
        kind, payload = metadata.get("event_type"), metadata.get("event_payload")
        if not isinstance(kind, str) or not re.fullmatch(r"[\w.\-]{1,255}", kind):
            yield "invalid_metadata_format", "event_type"
        if not isinstance(payload, dict):
            yield "invalid_metadata_format", "event_payload"
        if len(json.dumps(metadata)) > 8000:
            yield "metadata_too_large", "over 8,000 characters"


def _block(block: dict[str, Any], actions: set[str]) -> Iterator[str]:
    match block["type"]:
        case "header":
            yield from _text(block.get("text"), 150, plain=True)
        case "section":
            if not block.get("text") and not block.get("fields"):
                yield "needs text or fields"
            if "text" in block:
                yield from _text(block["text"], 3000)
            if len(block.get("fields") or []) > 10:
                yield "more than 10 fields"
            for each in block.get("fields") or []:
                yield from _text(each, 2000)
        case "context":
            elements = block.get("elements") or []
            if not 1 <= len(elements) <= 10:
                yield f"{len(elements)} elements"
            for each in elements:
                if each.get("type") != "image":
                    yield from _text(each, 3000)
        case "actions":
            elements = block.get("elements") or []
            if not 1 <= len(elements) <= 25:
                yield f"{len(elements)} elements"
            for each in elements:
                yield from _interactive(each, actions)
        case "rich_text":
            if not block.get("elements"):
                yield "empty rich text"
            for each in block.get("elements") or []:
                yield from _rich(each)


def _text(text: Any, most: int, *, plain: bool = False) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in ("plain_text", "mrkdwn"):
        yield "not a text object"
        return
    if plain and text["type"] != "plain_text":
        yield "must be plain_text"
    allowed = {"type", "text", "emoji" if text["type"] == "plain_text" else "verbatim"}
    if extra := set(text) - allowed:
        yield f"unknown keys {sorted(extra)} in a text object"
    if not isinstance(text.get("text"), str) or not text["text"]:
        yield "empty text"
    elif length(text["text"]) > most:
        yield f"text of {length(text['text'])}, at most {most}"


def _interactive(element: dict[str, Any], actions: set[str]) -> Iterator[str]:
    name = element.get("action_id", "")
    if length(name) > 255 or name in actions:
        yield f"action_id {name!r}"
    actions.add(name)
    match element.get("type"):
        case "button":
            yield from _text(element.get("text"), 75, plain=True)
            if length(element.get("value", "")) > 2000:
                yield "button value"
            url = element.get("url")
            if url is not None and (length(url) > 3000 or not _is_web(url)):
                yield "button url"
        case "overflow":
            options = element.get("options") or []
            if not 1 <= len(options) <= 5:
                yield f"overflow with {len(options)} options"
            for option in options:
                yield from _text(option.get("text"), 75)
                if length(option.get("value", "")) > 150:
                    yield "option value"
        case other:
            yield f"element {other!r}"


def _rich(element: dict[str, Any]) -> Iterator[str]:
    kind = element.get("type")
    if kind in RICH:
        if extra := set(element) - RICH[kind] - {"type"}:
            yield f"unknown keys {sorted(extra)} in {kind}"
        if kind == "rich_text_list" and element.get("style") not in ("bullet", "ordered"):
            yield "list style"
        for each in element.get("elements") or []:
            if kind == "rich_text_list" and each.get("type") != "rich_text_section":
                yield "a list holds sections"
            yield from _rich(each)
        return
    if kind not in RICH_LEAVES:
        yield f"rich text element {kind!r}"
        return
    if extra := set(element) - RICH_LEAVES[kind] - {"type"}:
        yield f"unknown keys {sorted(extra)} in {kind}"
    if set(element.get("style") or {}) - STYLES:
        yield "style"
    if kind == "text" and not element.get("text"):
        yield "empty text element"
    if kind == "link" and not _is_web(element.get("url", "")):
        yield f"link {element.get('url')!r}"
    if kind == "date" and not isinstance(element.get("timestamp"), int):
        yield "date timestamp"


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://", "mailto:"))
