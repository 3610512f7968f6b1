"""Entries that were there before a feed was watched: their stories, once a later entry asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from monitor.pipeline.documents import document_of_stored
from monitor.pipeline.memory import Memory
from monitor.pipeline.polls import Draft
from monitor.rules import RuleSet
from monitor.store.port import FoundEntry, OutboxRow, Store
from monitor.stories.sleepers import text_of
from monitor.values import Document, Feed


@dataclass(slots=True)
class Batch:
    """What the polls decided so far in one batch hold, which the store doesn't know yet: messages
    planned, by story, and entries put to sleep, by id."""

    planned: dict[str, list[OutboxRow]] = field(default_factory=dict)
    asleep: dict[str, FoundEntry] = field(default_factory=dict)


async def wake(
    draft: Draft,
    document: Document,
    batch: Batch,
    store: Store,
    memory: Memory,
    ruleset: RuleSet,
    feeds: Mapping[str, Feed],
) -> None:
    """Look for the stories of sleeping entries that ``document`` may share, before its own."""
    for entry_id in memory.sleepers.wake(document.title, text_of(document)):
        found = batch.asleep.get(entry_id) or await _stored(store, entry_id)
        if found is None:
            continue  # past its retention
        older, stored = document_of_stored(found, feeds), found.entry
        key = next((match.key for match in ruleset.match(older) if match.key), None)
        decision = memory.index.assign(older, draft.now, key=key, since=stored.first_seen)
        draft.entries.append(
            replace(
                stored,
                story_id=decision.story.id,
                story_kind=decision.kind,
                duplicate_of=decision.duplicate_of,
            )
        )


async def _stored(store: Store, entry_id: str) -> FoundEntry | None:
    found = next(iter(await store.find_entries(entry_id, limit=1)), None)
    return found if found is not None and found.entry.id == entry_id else None
