"""The stories of the last days, in memory: which story an entry belongs to, and what it means."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b

from monitor.store.port import Store, StoryRow
from monitor.stories.titles import normal_title
from monitor.stories.words import words
from monitor.values import Document, Story, StoryDecision

WINDOW = timedelta(hours=72)


class StoryIndex:
    """Assigns entries to stories by equal titles and texts. Rebuilt from the store's story rows."""

    def __init__(self) -> None:
        self._stories: dict[str, Story] = {}
        self._keys: dict[str, tuple[str, str]] = {}  # digest -> (story id, document id)
        self._of_story: dict[str, dict[str, str]] = {}  # story id -> digest -> document id
        self._changed: dict[str, None] = {}

    def assign(
        self, doc: Document, first_seen: datetime, *, key: str | None = None
    ) -> StoryDecision:
        """Return the story of ``doc`` and what the entry means for it."""
        digests = _digests(doc, key)
        for digest in digests:
            if digest in self._keys:
                story_id, other = self._keys[digest]
                story = self._stories[story_id]
                if first_seen - story.last_seen <= WINDOW:
                    story = _joined(story, doc, first_seen)
                    self._keep(story, doc, digests)
                    return StoryDecision(story, "duplicate", "same title or text", other)
        story = Story(doc.id, doc.title, first_seen, first_seen, _source(doc))
        self._keep(story, doc, digests)
        return StoryDecision(story, "new", "first report")

    def changed(self) -> tuple[StoryRow, ...]:
        """Return the story rows to store since the last call."""
        rows = tuple(
            StoryRow(self._stories[each], json.dumps(self._of_story[each]).encode())
            for each in self._changed
        )
        self._changed.clear()
        return rows

    def blobs(self) -> tuple[tuple[str, bytes], ...]:
        """Return named values to store with the commit."""
        return ()

    @classmethod
    async def load(cls, store: Store, now: datetime) -> StoryIndex:
        """Return the index as it was when ``store`` last committed."""
        index = cls()
        for row in await store.stories_since(now - WINDOW):
            index._stories[row.story.id] = row.story
            of_story = json.loads(row.blob or b"{}")
            index._of_story[row.story.id] = of_story
            index._keys.update((digest, (row.story.id, doc)) for digest, doc in of_story.items())
        return index

    def _keep(self, story: Story, doc: Document, digests: list[str]) -> None:
        self._stories[story.id] = story
        of_story = self._of_story.setdefault(story.id, {})
        for digest in digests:
            of_story.setdefault(digest, doc.id)
            self._keys[digest] = (story.id, of_story[digest])
        self._changed[story.id] = None


def _digests(doc: Document, key: str | None) -> list[str]:
    title = normal_title(doc.title, doc.source)
    text = " ".join(words(f"{doc.summary}\n{doc.content}"[:20_000]))
    given = []
    if len(title.split()) >= 4:
        given.append(f"title\x00{title}")
    if len(text.split()) >= 12:
        given.append(f"text\x00{text}")
    return [blake2b(f"{key}\x00{each}".encode(), digest_size=12).hexdigest() for each in given]


def _source(doc: Document) -> tuple[str, ...]:
    name = doc.source or doc.feed
    return (name,) if name else ()


def _joined(story: Story, doc: Document, now: datetime) -> Story:
    return replace(story, last_seen=max(story.last_seen, now), entries=story.entries + 1)
