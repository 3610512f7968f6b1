"""Small builders, so that tests say only what matters to them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from monitor.alerts.plan import Matched
from monitor.config.models import (
    ChannelSettings,
    DefaultSettings,
    RouteSettings,
    RuleSettings,
    Settings,
)
from monitor.values import (
    Document,
    EntityMention,
    Hit,
    MarkedText,
    Match,
    Story,
    StoryDecision,
    StoryKind,
    Summary,
)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


def settings(
    channels: dict[str, dict[str, Any]] | None = None,
    rules: dict[str, dict[str, Any]] | None = None,
    routes: list[dict[str, Any]] | None = None,
    default: str | None = "news",
    timezone: str = "UTC",
    **rest: Any,
) -> Settings:
    """Return settings with console channels and one-word rules unless told otherwise."""
    named = {"news": {}, "syria": {}, "pager": {}} if channels is None else channels
    return Settings(
        defaults=DefaultSettings(timezone=timezone, channel=default),
        channels={
            name: ChannelSettings(**{"console": True, **policy}) for name, policy in named.items()
        },
        rules=[
            RuleSettings(name=name, any=["word"], **each) for name, each in (rules or {}).items()
        ],
        routes=[RouteSettings(**route) for route in routes or []],
        **rest,
    )


def matched(
    *rules: str,
    story: str = "story-1",
    title: str = "Arms deal with Syria",
    kind: StoryKind = "new",
    sources: tuple[str, ...] = ("Example Wire",),
    entries: int = 1,
    key: str | None = None,
    entities: tuple[EntityMention, ...] = (),
    hits: tuple[Hit, ...] = (),
    at: datetime = NOW,
    reason: str = "first report",
    feed: str = "Example Wire",
    **document: Any,
) -> Matched:
    """Return an entry that ``rules`` match."""
    entry = f"entry-{story}-{entries}"
    return Matched(
        document=Document(
            id=entry,
            title=title,
            url=f"https://example.org/{entry}",
            source=sources[-1] if sources else None,
            feed=feed,
            **document,
        ),
        entry_id=entry,
        first_seen=at,
        decision=StoryDecision(Story(story, title, at, at, sources, entries), kind, reason),
        matches=tuple(Match(rule, hits=hits, key=key) for rule in rules),
        entities=entities,
        summary=Summary(title, MarkedText(title)),
    )
