"""Article pages for teasers: which new entries want one, before the poll is decided."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from monitor.ids import new_id
from monitor.pipeline.documents import document_of
from monitor.pipeline.polls import Polled, seen
from monitor.rules import RuleSet
from monitor.sources.articles import ArticleReader, is_teaser
from monitor.store.port import Store
from monitor.stories.error_items import is_error_item
from monitor.stories.identity import Identified, identify, keys_of


async def with_articles(
    polled: Polled, reader: ArticleReader, store: Store, ruleset: RuleSet, now: datetime
) -> Polled:
    """Read the article pages of new entries that are teasers, where the feed wants it.

    ``when_needed`` passes over an entry that a rule matches as it is. Never on a first poll,
    whose entries are the past, and never from a file's links.
    """
    feed, state, parsed = polled.feed, polled.state, polled.parsed
    off = feed.full_text == "never" or feed.url.startswith("file:")
    if parsed is None or off or state.baselined_at is None:
        return polled
    places = [(at, e) for at, e in enumerate(parsed.entries) if not is_error_item(e)]
    entries = [entry for _, entry in places]
    keys = [keys_of(entry, feed.url) for entry in entries]
    known = await seen(store, state, keys)
    identified = identify(entries, keys, known, lambda: new_id(now), feed.identity)

    def matches(each: Identified) -> bool:
        assert each.entry_id is not None
        document = document_of(each.entry_id, feed, parsed, each.entry, now)
        return bool(ruleset.match(document))

    wanted = [
        place
        for place, each in zip(places, identified, strict=True)
        if each.status == "new"
        and is_teaser(each.entry)
        and (feed.full_text == "always" or not matches(each))
    ]
    if not wanted:
        return polled
    articles = await reader.read(feed, wanted)
    return replace(polled, parsed=replace(parsed, articles=articles))
