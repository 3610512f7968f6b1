"""Stories through the same decisions as the daemon's, on their own clock, for one channel.

Time is the running maximum of ``published``; first runs, quiet hours and routes play no part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from monitor.alerts.desk import Desk
from monitor.alerts.plan import Matched
from monitor.alerts.route import Router
from monitor.config.models import ChannelSettings, DefaultSettings, Settings
from monitor.pipeline.documents import hits_of
from monitor.rules import RuleSet, plain
from monitor.sources.furniture import blank_furniture
from monitor.store.port import (
    EntryMatch,
    OutboxRow,
    PollCommit,
    Store,
    StoredEntry,
)
from monitor.stories.index import StoryIndex
from monitor.stories.summary import summarise
from monitor.values import Document, Entry, Feed, Match, StoryDecision, Summary

_CHANNEL = "replay"
_FEED = Feed(key="replay:", url="replay:", name="replay")


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of one story line."""

    matches: tuple[Match, ...]
    duplicate_of: str | None
    story: str
    entities: tuple[str, ...]
    summary: str
    alert: Literal["new", "update", "none"]


class Replayer:
    """Takes documents one by one, in order."""

    def __init__(
        self,
        settings: Settings,
        ruleset: RuleSet,
        index: StoryIndex,
        store: Store | None,
        desk: Desk | None = None,
    ) -> None:
        self._settings = _one_channel(settings)
        self._router = Router(self._settings)
        self._ruleset = ruleset
        self._index = index
        self._store = store
        self._desk = desk or Desk()
        self._rows: dict[str, list[OutboxRow]] = defaultdict(list)
        self._now = datetime.now(UTC)

    def start_at(self, moment: datetime | None) -> None:
        """Set the clock to the first date known; without one the machine's clock stands."""
        if moment is not None:
            self._now = moment

    async def take(self, document: Document) -> Replay:
        """Decide one document, and keep what was decided."""
        if document.published is not None:
            self._now = max(self._now, document.published)
        now = self._now
        document = plain(document)
        document = replace(
            document,
            summary=blank_furniture(document.summary),
            content=blank_furniture(document.content),
        )
        matches = self._ruleset.match(document)
        key = next((match.key for match in matches if match.key), None)
        decision = self._index.assign(document, now, key=key)
        mentions = self._ruleset.entities(document)
        summary = summarise(document, hits_of(matches))
        story = decision.story.id
        rows: tuple[OutboxRow, ...] = ()
        if matches:
            matched = Matched(document, document.id, now, decision, matches, mentions, summary)
            rows = await self._plan(matched, now)
        if (grown := self._desk.joined(decision, document, now)) is not None:
            rows += await self._plan(grown, now, rows)
        if self._store is not None:
            await self._keep(self._store, document, decision, matches, rows, now)
        return Replay(
            matches,
            decision.duplicate_of,
            story,
            tuple(dict.fromkeys(mention.code for mention in mentions)),
            summary_text(document.title, summary),
            _alert(rows),
        )

    async def _plan(
        self, matched: Matched, now: datetime, planned: tuple[OutboxRow, ...] = ()
    ) -> tuple[OutboxRow, ...]:
        """Plan an entry's alerts. They count as posted: there is no channel to refuse them."""
        story = matched.decision.story.id
        prior = (*await self._prior(story), *(planned if self._store is not None else ()))
        made = self._desk.plan(matched, prior, self._router, self._settings, now)
        rows = tuple(replace(row, state="sent", last_try=now) for row in made.rows)
        self._rows[story].extend(rows)
        return rows

    async def _prior(self, story: str) -> tuple[OutboxRow, ...]:
        if self._store is not None:
            return tuple(await self._store.outbox_rows(story_id=story))
        return tuple(self._rows[story])

    async def _keep(
        self,
        store: Store,
        document: Document,
        decision: StoryDecision,
        matches: tuple[Match, ...],
        rows: tuple[OutboxRow, ...],
        now: datetime,
    ) -> None:
        state = (await store.feed_states())[_FEED.key]
        stored = StoredEntry(
            id=document.id,
            feed_id=state.id,
            entry=_entry(document),
            first_seen=now,
            published=document.published,
            story_id=decision.story.id,
            story_kind=decision.kind,
            duplicate_of=decision.duplicate_of,
            outcome="replayed",
            source=document.source or "",
            language=document.language,
        )
        await store.commit_polls(
            [
                PollCommit(
                    replace(state, last_poll_at=now),
                    (stored,),
                    matches=tuple(EntryMatch(document.id, match) for match in matches),
                    stories=self._index.changed(),
                    outbox=rows,
                    blobs=(*self._index.blobs(), *self._desk.blobs()),
                )
            ]
        )


@asynccontextmanager
async def replaying(
    settings: Settings, ruleset: RuleSet, state: Path | None
) -> AsyncIterator[Replayer]:
    """Yield a Replayer; with ``state`` its stories and alerts are kept in that directory."""
    if state is None:
        yield Replayer(settings, ruleset, StoryIndex(), None)
        return
    from monitor.rules.text import search_tokens
    from monitor.store import open_store

    now = datetime.now(UTC)
    store = await open_store(str(state), now=now, tokenize=search_tokens)
    try:
        await store.sync_feeds([_FEED], now)
        index, desk = await StoryIndex.load(store, now), await Desk.load(store)
        yield Replayer(settings, ruleset, index, store, desk)
    finally:
        await store.close()


def summary_text(title: str, summary: Summary) -> str:
    """Return a summary as lines of text, as an alert shows it: the title, the lead sentence, and
    the sentences that carry the rule's terms where they say more."""
    lead, quote = summary.lead, summary.quote.text
    if lead in quote:
        lead = ""
    if quote in lead:
        quote = ""
    return "\n".join(part for part in (title, lead, quote) if part)


def _one_channel(settings: Settings) -> Settings:
    """Return the settings with one plain channel and no policy that holds anything back."""
    return settings.model_copy(
        update={
            "channels": {_CHANNEL: ChannelSettings(console=True)},
            "defaults": DefaultSettings(timezone="UTC", channel=_CHANNEL),
            "routes": [],
            "inhibit": [],
            "rules": [rule.model_copy(update={"to": []}) for rule in settings.rules],
        }
    )


def _alert(rows: tuple[OutboxRow, ...]) -> Literal["new", "update", "none"]:
    kinds = {row.kind for row in rows}
    if kinds & {"alert", "escalation", "digest"}:  # a digest: a rule's volume alert
        return "new"
    return "update" if kinds else "none"


def _entry(document: Document) -> Entry:
    return Entry(
        raw_id=document.id,
        url=document.url,
        title=document.title,
        summary=document.summary,
        content=document.content,
        published=document.published,
        authors=document.authors,
        categories=document.categories,
        language=document.language,
        source=document.source,
    )
