"""Slack's limits on a message, checked before it is sent.

Pure. Numbers are those of docs.slack.dev/reference/block-kit and of the comments in @slack/types;
lengths are counted in UTF-16 units of the text as sent, the most careful reading, since Slack
documents none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monitor.delivery.text import units

BLOCKS = 50
ATTACHMENTS = 100
TEXT = 4000  # chat.update refuses more; chat.postMessage cuts at 40,000
BLOCKS_JSON = 13_200  # observed, not documented: slackapi/bolt-js#2509
METADATA_JSON = 1024  # Slack documents none (metadata_too_large); ours
TEXTS = {
    "header": 150,
    "section": 3000,
    "field": 2000,
    "context": 3000,
    "button": 75,
    "option": 75,
}
COUNTS = {"context": 10, "actions": 25, "fields": 10, "overflow": 5}
VALUE = 2000
OPTION_VALUE = 150
URL = 3000
NAME = 255  # action_id, block_id
BLOCK_KINDS = frozenset({"rich_text", "context", "actions", "header", "section", "divider"})


def over_limits(body: Mapping[str, Any]) -> list[str]:
    """Return what Slack would refuse in a chat.postMessage body, in plain words."""
    return list(_message(body))


def _message(body: Mapping[str, Any]) -> Iterator[str]:
    text = body.get("text") or ""
    if not text:
        yield "text is missing (notifications and screen readers need it)"
    if units(text) > TEXT:
        yield f"text: {units(text)} > {TEXT}"
    if len(body.get("attachments") or ()) > ATTACHMENTS:
        yield f"attachments: more than {ATTACHMENTS}"
    if "metadata" in body and _size(body["metadata"]) > METADATA_JSON:
        yield f"metadata: more than {METADATA_JSON}"
    blocks = body.get("blocks") or ()
    if len(blocks) > BLOCKS:
        yield f"blocks: {len(blocks)} > {BLOCKS}"
    if blocks and _size(blocks) > BLOCKS_JSON:
        yield f"blocks: {_size(blocks)} characters > {BLOCKS_JSON}"
    names: set[str] = set()
    for at, block in enumerate(blocks):
        where = f"blocks/{at}"
        kind = block.get("type")
        if kind not in BLOCK_KINDS:
            yield f"{where}: block type {kind!r} is none of ours"
            continue
        if name := block.get("block_id"):
            if units(name) > NAME:
                yield f"{where}/block_id: more than {NAME}"
            if name in names:
                yield f"{where}/block_id: used twice"
            names.add(name)
        yield from _block(where, kind, block)


def _block(where: str, kind: str, block: Mapping[str, Any]) -> Iterator[str]:
    if kind == "header":
        yield from _text(f"{where}/text", block["text"], "header")
    elif kind == "section":
        if "text" in block:
            yield from _text(f"{where}/text", block["text"], "section")
        fields = block.get("fields") or ()
        if len(fields) > COUNTS["fields"]:
            yield f"{where}/fields: more than {COUNTS['fields']}"
        for field in fields:
            yield from _text(f"{where}/fields", field, "field")
    elif kind in ("context", "actions"):
        elements = block.get("elements") or ()
        if not elements:
            yield f"{where}: no elements"
        if len(elements) > COUNTS[kind]:
            yield f"{where}: {len(elements)} > {COUNTS[kind]} elements"
        ids: set[str] = set()
        for element in elements:
            if kind == "context":
                yield from _text(where, element, "context")
            else:
                yield from _interactive(where, element, ids)
    elif kind == "rich_text":
        yield from _rich(where, block.get("elements") or ())


def _text(where: str, text: Mapping[str, Any], kind: str) -> Iterator[str]:
    shown = text.get("text") or ""
    if not shown:
        yield f"{where}: empty"
    if units(shown) > TEXTS[kind]:
        yield f"{where}: {units(shown)} > {TEXTS[kind]}"


def _interactive(where: str, element: Mapping[str, Any], ids: set[str]) -> Iterator[str]:
    name = element.get("action_id") or ""
    if units(name) > NAME:
        yield f"{where}/action_id: more than {NAME}"
    if name in ids:
        yield f"{where}/action_id: {name} used twice"
    ids.add(name)
    if element["type"] == "button":
        yield from _text(f"{where}/{name}", element["text"], "button")
        if units(element.get("value") or "") > VALUE:
            yield f"{where}/{name}/value: more than {VALUE}"
        if units(element.get("url") or "") > URL:
            yield f"{where}/{name}/url: more than {URL}"
    elif element["type"] == "overflow":
        options = element.get("options") or ()
        if not 1 <= len(options) <= COUNTS["overflow"]:
            yield f"{where}/{name}: {len(options)} options (1 to {COUNTS['overflow']})"
        for option in options:
            yield from _text(f"{where}/{name}", option["text"], "option")
            if units(option["value"]) > OPTION_VALUE:
                yield f"{where}/{name}/value: more than {OPTION_VALUE}"


def _rich(where: str, elements: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not elements:
        yield f"{where}: empty rich text"
    for element in elements:
        if element["type"] in ("text", "link") and not element.get("text"):
            yield f"{where}: empty {element['type']}"
        if element["type"] == "link" and units(element["url"]) > URL:
            yield f"{where}: link longer than {URL}"
        if "elements" in element:
            yield from _rich(where, element["elements"])


def _size(value: object) -> int:
    return units(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
