"""The JSON Schema of the configuration, for editors (``monitor.config.reference`` writes it)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monitor.config.models import LABEL_SPELLINGS, ROUTE_LABELS, Settings

SCHEMA_FILE = Path("newswatch.schema.json")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Keys that hold a secret and may name a file instead.
_FILE_KEYS = {
    "SlackSettings": ("token", "app_token", "webhook"),
    "ChannelSettings": ("webhook", "secret", "apprise", "discord"),
    "FeedSettings": ("cookie",),
    "BasicAuth": ("password",),
    "NetworkSettings": ("proxy",),
    "WebSettings": ("token",),
}
# Defaults as a user would write them; pydantic gives durations as ISO 8601.
_WRITTEN: dict[Any, str] = {
    "P30D": "30d", "P1Y": "1y", "P1D": "24h", "PT5M": "5m", "PT1H": "1h", 5_000_000_000: "5GB",
}  # fmt: skip
_TEXT: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_CLAUSE: dict[str, Any] = {
    "description": 'A term (word, "phrase", wild*, =Exact, list:name, entity:Name, /re2/) or '
    "a mapping of clauses.",
    "anyOf": [_TEXT, {"type": "object"}, {"type": "array", "items": {"$ref": "#/$defs/Clause"}}],
}
_CLAUSES: dict[str, Any] = {
    "anyOf": [_TEXT, {"type": "array", "items": {"$ref": "#/$defs/Clause"}}]
}


def schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of what a file may say, short forms included."""
    made = Settings.model_json_schema(by_alias=True, mode="validation")
    definitions: dict[str, Any] = made["$defs"]
    definitions["Clause"] = _CLAUSE
    for name, keys in _FILE_KEYS.items():
        _allow_files(definitions[name], keys)
    rule = definitions["RuleSettings"]["properties"]
    for key in ("any", "all"):
        rule[key] = {**_CLAUSES, "description": rule[key]["description"]}
    for key in ("none", "entities"):
        rule[key] = {
            "anyOf": [*_CLAUSES["anyOf"], {"type": "object"}],
            "description": rule[key]["description"],
        }
    del rule["inflect"]["type"]
    rule["inflect"]["enum"] = ["plural", "none", "stem", False]
    rule["ignore"] = {"enum": ["none", False], "description": rule["ignore"]["description"]}
    _allow_short(made["properties"]["feeds"], "items", {"type": "string"})
    _allow_short(made["properties"]["entities"], "additionalProperties", _CLAUSES)
    _allow_short(made["properties"]["lists"], "additionalProperties", {"type": "string"})
    _shorten_policies(definitions)
    for definition in (made, *definitions.values()):
        definition.pop("title", None)
        _clean(definition)
    return {
        "$schema": _DIALECT,
        "$id": "newswatch.schema.json",
        "title": "newswatch configuration",
        **made,
    }


def _allow_files(definition: dict[str, Any], keys: tuple[str, ...]) -> None:
    required = definition.get("required", [])
    for key in keys:
        definition["properties"][f"{key}_file"] = {
            "type": "string",
            "description": f"A file that holds `{key}`, relative to this one.",
        }
        if key in required:
            required.remove(key)


def _allow_short(holder: dict[str, Any], key: str, short: dict[str, Any]) -> None:
    holder[key] = {"anyOf": [short, holder[key]]}


def _shorten_policies(definitions: dict[str, Any]) -> None:
    """Hours may be a text or a mapping; both spellings are read."""
    for name in ("ChannelSettings", "RouteSettings"):
        properties = definitions[name]["properties"]
        properties["hours"] = {
            "anyOf": [{"type": "string"}, {"$ref": "#/$defs/ActiveHours"}],
            "description": properties["hours"]["description"],
            "examples": properties["hours"]["examples"],
        }
        properties["quiet_hours"] = {
            "anyOf": [{"type": "string"}, {"$ref": "#/$defs/QuietHours"}],
            "description": properties["quiet_hours"]["description"],
            "examples": ["22:00-06:30", {"from": "22:00", "to": "06:30", "release": "digest"}],
        }
    labels = definitions["QuietHours"]["properties"]
    definitions["ActiveHours"] = {
        "type": "object",
        "description": "A channel is active from one time of day to another.",
        "properties": {key: labels[key] for key in ("from", "to", "days")},
        "required": ["from", "to"],
        "additionalProperties": False,
    }
    for name, keys in {"RouteSettings": ("when",), "InhibitSettings": ("when", "mute")}.items():
        for key in keys:
            definitions[name]["properties"][key] = _labels(definitions[name]["properties"][key])


def _labels(given: dict[str, Any]) -> dict[str, Any]:
    one_or_more = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
    return {
        "type": "object",
        "description": given.get("description", ""),
        "properties": dict.fromkeys((*ROUTE_LABELS, *LABEL_SPELLINGS), one_or_more),
        "additionalProperties": False,
    }


def _clean(node: Any) -> None:
    """Drop what an editor doesn't need: titles, null alternatives, null defaults."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        if "default" in node and node["default"] in (None, [], {}):
            del node["default"]
        if isinstance(node.get("default"), str | int):
            node["default"] = _WRITTEN.get(node["default"], node["default"])
        choices = node.get("anyOf")
        if isinstance(choices, list):
            left = [each for each in choices if each != {"type": "null"}]
            if len(left) == 1:
                del node["anyOf"]
                for key, value in left[0].items():
                    node.setdefault(key, value)
            else:
                node["anyOf"] = left
        for value in list(node.values()):
            _clean(value)
    elif isinstance(node, list):
        for value in node:
            _clean(value)


def schema_text() -> str:
    """Return the schema file's text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
