"""The stories of the last days, in memory: which story an entry belongs to, and what it means.

A function of the entries it was given, in their order: what it stores with each commit brings it
back to the same state, so that a stream with restarts gives the same stories as one run. One
process assigns; two would not see each other's stories.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from monitor.store.port import Store, StoryRow
from monitor.stories import journal
from monitor.stories.clusters import NAME, Cluster, Clusters, Weighed
from monitor.stories.decide import Told, decide
from monitor.stories.duplicates import DuplicateWindow, Record, record_of
from monitor.stories.frequencies import Frequencies
from monitor.stories.terms import Features, features_of, hashed
from monitor.stories.urls import canonical_url, is_root
from monitor.stories.weights import MAX_ENTRIES, WINDOW
from monitor.values import Document, Story, StoryDecision

log = logging.getLogger(__name__)

MAX_TOLD = 600  # hashed words (and numbers) of a story that are remembered
MAX_TITLES = 40  # sources of a story whose last headline is remembered
SHORT_SUMMARY = 80  # characters; a shorter summary is helped out by the content
SNAPSHOT = 2_000  # entries after which the document frequencies are stored anew
_VERSION = 1


@dataclass(slots=True)
class _Live:
    """A story that still takes entries, and what it has told."""

    story: Story
    words: dict[int, None] = field(default_factory=dict)
    numbers: dict[int, None] = field(default_factory=dict)
    headline_numbers: bool = False
    titles: dict[str, list[int]] = field(default_factory=dict)


class StoryIndex:
    """Assigns entries to stories; rebuilt from the store by ``load``."""

    def __init__(self) -> None:
        self._now = 0.0
        self._live: dict[str, _Live] = {}
        self._clusters = Clusters()
        self._window = DuplicateWindow()
        self._entries: dict[str, str] = {}  # document id -> story id, of those in the window
        self._df = Frequencies()
        self._head = journal.Head()
        self._slot: list[bytes] = []
        self._dirty: dict[int, list[bytes]] = {}  # slots to store
        self._changed: dict[str, None] = {}

    def __len__(self) -> int:
        """How many entries the window holds."""
        return len(self._entries)

    def __contains__(self, doc_id: str) -> bool:
        """Whether the window holds this entry."""
        return doc_id in self._entries

    def assign(
        self,
        doc: Document,
        first_seen: datetime,
        *,
        key: str | None = None,
        since: datetime | None = None,
    ) -> StoryDecision:
        """Return the story of ``doc`` and what the entry means for it.

        Args:
            doc: the entry as plain text. A document assigned before is taken as its new version.
            first_seen: our clock; the feed's dates play no part. Never goes back: an earlier time
                counts as the latest seen.
            key: what the matched rule keeps apart; entries with different keys share no story.
            since: when we first saw the entry, where that was earlier: a story that it opens began
                then.
        """
        self._now = max(self._now, first_seen.timestamp())
        self._expire()
        source = doc.source or doc.feed or ""
        features = features_of(doc.title, _text(doc), doc.language, doc.source)
        if doc.id in self._entries:
            return self._revise(doc, features, source)
        url = canonical_url(doc.url)
        record = record_of(
            doc.id, "", doc.id, source, self._now, key,
            url if url and not is_root(url) else None, features,
        )  # fmt: skip
        terms = [*features.stems, *(NAME + name for name in features.names)]
        self._df.add(terms)
        weighed = Weighed(features, self._df)
        copy = self._window.find(record, self._live.__contains__)
        if copy is not None:
            story_id, root = copy[1].story_id, copy[1].root
        else:
            story_id, root = self._about(doc, weighed, source, key) or doc.id, doc.id
        record = replace(record, story_id=story_id, root=root)
        decision = self._decide(doc, features, record, since)
        self._clusters.add(story_id, weighed, self._now, key, self._df)
        self._window.add(record)
        self._entries[doc.id] = story_id
        self._note(record, terms)
        return decision

    def revise(self, doc: Document, now: datetime) -> StoryDecision | None:
        """Return what an edited entry means for its story; None when it left the window."""
        self._now = max(self._now, now.timestamp())
        self._expire()
        if doc.id not in self._entries:
            return None
        features = features_of(doc.title, _text(doc), doc.language, doc.source)
        return self._revise(doc, features, doc.source or doc.feed or "")

    def changed(self) -> tuple[StoryRow, ...]:
        """Return the story rows to store since the last call."""
        rows: list[StoryRow] = []
        for story_id in self._changed:
            live, cluster = self._live.get(story_id), self._clusters.get(story_id)
            if live is not None and cluster is not None:
                rows.append(StoryRow(live.story, _to_bytes(live, cluster)))
        self._changed.clear()
        return tuple(rows)

    def blobs(self) -> tuple[tuple[str, bytes], ...]:
        """Return the named values to store with the commit; none when no entry came."""
        if not self._dirty:
            return ()
        named = [
            (journal.slot_name(slot), journal.slot_to_bytes(lines))
            for slot, lines in self._dirty.items()
        ]
        self._dirty.clear()
        head = self._head
        # Entries that leave the journal must be in the frequencies that are stored.
        due = head.next - head.counted >= min(SNAPSHOT, max(100, head.counted))
        if due or head.low > head.counted:
            self._head = replace(head, counted=head.next)
            named.append((journal.FREQUENCIES, self._df.to_bytes()))
        clear, asked = self._clusters.clear, self._clusters.asked
        stored = replace(self._head, now=self._now, clear=clear, asked=asked)
        named.append((journal.HEAD, stored.to_bytes()))
        return tuple(named)

    @classmethod
    async def load(cls, store: Store, now: datetime) -> StoryIndex:
        """Return the index as it was when ``store`` last committed.

        ``now`` is not needed to find the window (the store knows its own latest time, and a replay
        lives in the past); it is logged with what was loaded.
        """
        index = cls()
        head = journal.Head.from_bytes(await store.blob(journal.HEAD))
        frequencies = await store.blob(journal.FREQUENCIES)
        if frequencies:
            index._df = Frequencies.from_bytes(frequencies)
        else:
            head = replace(head, counted=min(head.counted, head.low))
        index._now = head.now
        if head.clear is not None:
            index._clusters.clear, index._clusters.asked = head.clear, head.asked
        since = max(head.now - WINDOW.total_seconds(), 0.0)
        for row in await store.stories_since(datetime.fromtimestamp(since, UTC)):
            index._restore(row)
        index._head = replace(head, next=head.low)
        for slot in range(journal.slot_of(head.low), journal.slot_of(max(head.next - 1, 0)) + 1):
            for line in journal.slot_from_bytes(await store.blob(journal.slot_name(slot))):
                index._replay(line, head)
        index._head = head
        index._dirty.clear()
        log.info(
            "stories loaded",
            extra={"stories": len(index._live), "entries": len(index._window), "at": now},
        )
        return index

    # Deciding ----------------------------------------------------------------------------------

    def _about(self, doc: Document, weighed: Weighed, source: str, key: str | None) -> str | None:
        """Return the story of an event that ``doc`` is about, or None.

        A headline that its outlet has over another text already is the name of a column
        ("Morning briefing"): it says nothing of what happened, and the text alone decides.
        """
        found = self._clusters.find(weighed, self._now, key)
        if found is None:
            return None
        last = self._live[found[1].story_id].titles.get(_folded(source))
        if source and last and last == sorted(weighed.features.title):
            text = features_of("", _text(doc), doc.language, doc.source)
            if text.stems:
                found = self._clusters.look(Weighed(text, self._df), self._now, key)
        return found[1].story_id if found else None

    def _decide(
        self, doc: Document, features: Features, record: Record, since: datetime | None
    ) -> StoryDecision:
        live = self._live.get(record.story_id)
        repeats = None if record.root == record.doc_id else record.root
        moment = datetime.fromtimestamp(self._now, UTC)
        first_seen = min(since or moment, moment)
        if live is None:
            sources = (record.source,) if record.source else ()
            live = _Live(Story(record.story_id, doc.title, first_seen, moment, sources))
            kind, reason = decide(doc.title, features, None)
        else:
            story = live.story
            is_new = _folded(record.source) not in live.titles
            kind, reason = decide(
                doc.title,
                features,
                _told(live, record.source),
                repeats=repeats,
                source=record.source,
                new_source=is_new,
            )
            # A reprint is no source of its own: it knows what the original knew.
            independent = repeats is None and record.source and record.source not in story.sources
            live.story = replace(
                story,
                first_seen=min(story.first_seen, first_seen),
                last_seen=max(story.last_seen, moment),
                sources=(*story.sources, record.source) if independent else story.sources,
                entries=story.entries + 1,
            )
        self._tell(live, features, record.source)
        return StoryDecision(live.story, kind, reason, repeats)

    def _revise(self, doc: Document, features: Features, source: str) -> StoryDecision:
        """Return what a new version of an entry in the window means."""
        live = self._live[self._entries[doc.id]]
        told = _told(live, source)
        kind, reason = decide(doc.title, features, told, source=source, revised=True)
        self._tell(live, features, source)
        return StoryDecision(live.story, kind, reason)

    def _tell(self, live: _Live, features: Features, source: str) -> None:
        """Remember what an entry told of its story."""
        words = (*features.headline, *features.names)
        live.words.update((hashed(word), None) for word in words)
        live.numbers.update((number, None) for number in sorted(features.numbers))
        for held in (live.words, live.numbers):
            if len(held) > MAX_TOLD:
                for old in list(held)[: len(held) - MAX_TOLD]:
                    del held[old]
        live.headline_numbers = live.headline_numbers or any(
            word[0].isdigit() for word in features.headline
        )
        live.titles.pop(_folded(source), None)
        live.titles[_folded(source)] = sorted(features.title)
        if len(live.titles) > MAX_TITLES:
            del live.titles[next(iter(live.titles))]
        self._live[live.story.id] = live
        self._changed[live.story.id] = None

    def _expire(self) -> None:
        before = self._now - WINDOW.total_seconds()
        for record in self._window.expire(before, MAX_ENTRIES - 1):
            self._entries.pop(record.doc_id, None)
            self._forget_one()
        for story_id in self._clusters.expire(before):
            self._live.pop(story_id, None)

    # Storing -----------------------------------------------------------------------------------

    def _note(self, record: Record, terms: list[str]) -> None:
        """Write an entry to the journal."""
        number = self._head.next
        if number % journal.PER_SLOT == 0:
            self._slot = []
        self._slot.append(journal.entry_to_bytes(number, record, terms))
        self._dirty[journal.slot_of(number)] = self._slot
        self._head = replace(self._head, next=number + 1)

    def _forget_one(self) -> None:
        """Move the journal's lower end up; a slot left behind is emptied."""
        low = self._head.low + 1
        if low % journal.PER_SLOT == 0:
            self._dirty[journal.slot_of(low - 1)] = []
        self._head = replace(self._head, low=low)

    def _restore(self, row: StoryRow) -> None:
        restored = _from_bytes(row)
        if restored is not None:
            live, cluster = restored
            self._live[row.story.id] = live
            self._clusters.put(cluster)

    def _replay(self, line: bytes, head: journal.Head) -> None:
        number, record, terms = journal.entry_from_bytes(line)
        if not head.low <= number < head.next:
            return
        if number >= head.counted:
            self._df.add(terms)
        self._window.add(record)
        self._entries[record.doc_id] = record.story_id
        if number % journal.PER_SLOT == 0 or not self._slot:
            self._slot = []
        self._slot.append(line)


def _text(doc: Document) -> str:
    """Return the text an entry is compared by: its summary, helped out where that is short."""
    if len(doc.summary) >= SHORT_SUMMARY or not doc.content:
        return doc.summary
    return f"{doc.summary}\n{doc.content[:4_000]}" if doc.summary else doc.content[:4_000]


def _folded(source: str) -> str:
    return source.strip().casefold()


def _told(live: _Live, source: str) -> Told:
    last = frozenset(live.titles.get(_folded(source), ()))
    return Told(live.words, live.numbers, live.headline_numbers, last)


def _to_bytes(live: _Live, cluster: Cluster) -> bytes:
    return json.dumps(
        {
            "v": _VERSION,
            "key": cluster.key,
            "last": cluster.last,
            "size": cluster.size,
            "stems": cluster.stems,
            "names": cluster.names,
            "norms": [cluster.stem_norm, cluster.name_norm],
            "words": list(live.words),
            "numbers": list(live.numbers),
            "headline": live.headline_numbers,
            "titles": live.titles,
        }
    ).encode()


def _from_bytes(row: StoryRow) -> tuple[_Live, Cluster] | None:
    """Return what was stored of a story; None for another version's (the story takes no more)."""
    data = json.loads(row.blob) if row.blob else {}
    if data.get("v") != _VERSION:
        return None
    cluster = Cluster(
        row.story.id, data["key"], data["last"], data["size"], data["stems"], data["names"],
        *data["norms"],
    )  # fmt: skip
    live = _Live(
        row.story,
        dict.fromkeys(data["words"]),
        dict.fromkeys(data["numbers"]),
        data["headline"],
        data["titles"],
    )
    return live, cluster
