"""What changed between two configurations, in plain words, without secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from monitor.config.load import feed_names
from monitor.config.models import Settings

_LISTED = 5  # names in one line; "and 12 more" says the rest


def diff(old: Settings, new: Settings) -> tuple[str, ...]:
    """Return one line per kind of change, empty for equal settings.

    A rule, feed or channel that changed is named with the keys that did; values are shown for
    short, harmless settings only.
    """
    lines: list[str] = []
    for noun, before, after in (
        ("rule", _named(old.rules, "name"), _named(new.rules, "name")),
        ("feed", _feeds(old), _feeds(new)),
        ("channel", dict(old.channels), dict(new.channels)),
        ("entity", dict(old.entities), dict(new.entities)),
        ("list", dict(old.lists), dict(new.lists)),
    ):
        lines += _changes(noun, before, after)
    if old.routes != new.routes:
        lines.append(_counted("routes", len(old.routes), len(new.routes)))
    if old.inhibit != new.inhibit:
        lines.append(_counted("inhibitions", len(old.inhibit), len(new.inhibit)))
    if old.ignore != new.ignore:
        lines.append("what is ignored changed")
    for section in ("defaults", "retention", "slack", "network", "polling", "web"):
        lines += _section(section, getattr(old, section), getattr(new, section))
    if old.state != new.state:
        lines.append("`state` changed")
    if old.include != new.include:
        lines.append("`include` changed")
    return tuple(lines)


def _named(items: Iterable[Any], key: str) -> dict[str, Any]:
    return {str(getattr(item, key)): item for item in items}


def _feeds(settings: Settings) -> dict[str, Any]:
    return dict(zip(feed_names(settings.feeds), settings.feeds, strict=True))


def _changes(noun: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    lines = []
    added = [name for name in new if name not in old]
    removed = [name for name in old if name not in new]
    changed = [name for name in new if name in old and old[name] != new[name]]
    if added:
        lines.append(f"{_noun(noun, added)} added: {_list(added)}")
    if removed:
        lines.append(f"{_noun(noun, removed)} removed: {_list(removed)}")
    if changed:
        described = [f"{_short(name)}{_keys(old[name], new[name])}" for name in changed[:_LISTED]]
        more = f" and {len(changed) - _LISTED} more" if len(changed) > _LISTED else ""
        lines.append(f"{_noun(noun, changed)} changed: {', '.join(described)}{more}")
    return lines


def _noun(noun: str, names: list[str]) -> str:
    if len(names) == 1:
        return noun
    plural = "entities" if noun == "entity" else f"{noun}s"
    return f"{len(names)} {plural}"


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(_short, names[:_LISTED])) + more


def _short(name: str) -> str:
    return name if len(name) <= 80 else name[:79] + "…"


def _keys(old: Any, new: Any) -> str:
    """Return " (any, severity high → critical)" for two settings objects."""
    if not isinstance(old, BaseModel) or not isinstance(new, BaseModel):
        return ""
    return f" ({', '.join(_differences(old, new))})"


def _differences(old: BaseModel, new: BaseModel) -> list[str]:
    described = []
    for name, info in type(new).model_fields.items():
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        key = info.alias or name
        if key in {"severity", "enabled", "precision", "channel", "timezone", "digest", "throttle"}:
            described.append(f"{key} {_value(before)} → {_value(after)}")
        else:
            described.append(key)
    return described


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "…" if isinstance(value, SecretStr) else str(value)[:60]


def _counted(noun: str, before: int, after: int) -> str:
    return f"{noun} changed" if before == after else f"{noun} changed: {before} → {after}"


def _section(name: str, old: BaseModel, new: BaseModel) -> list[str]:
    if old == new:
        return []
    return [f"`{name}` changed: {', '.join(_differences(old, new))}"]
