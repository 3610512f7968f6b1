"""poll → new entries → match → story → route → outbox: one page, read top to bottom.

The only module that knows the order of the stages. ``fetch`` may run for many feeds at once;
``commit`` takes what they brought, one batch at a time, decides, and stores each batch whole.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from monitor.alerts.plan import Matched
from monitor.clock import Clock
from monitor.config.models import PollingSettings
from monitor.errors import ParseError, StateError
from monitor.failpoints import failpoint
from monitor.ids import new_id
from monitor.pipeline.documents import document_of, hits_of
from monitor.pipeline.edits import retake
from monitor.pipeline.full_text import with_articles
from monitor.pipeline.memory import Memory
from monitor.pipeline.polls import Committed, Draft, Polled, digests_name, seen, without_errors
from monitor.pipeline.waking import Batch, wake
from monitor.sources.articles import ArticleReader
from monitor.sources.character import with_character
from monitor.sources.fetch import Fetcher
from monitor.sources.holds import with_hold
from monitor.sources.outcome import FetchOutcome
from monitor.sources.parse import ParsePool
from monitor.sources.rhythm import DEFAULT_PACE
from monitor.sources.schedule import after_poll, common_pace, to_refresh
from monitor.sources.websub import pushed
from monitor.store.port import EntryMatch, FeedState, FoundEntry, PollCommit, Store, StoredEntry
from monitor.stories.identity import EntryKeys, Identified, identify, keys_of
from monitor.stories.sleepers import AWAKE, text_of
from monitor.stories.summary import summarise
from monitor.stories.urls import canonical_url, site
from monitor.stories.weights import WINDOW
from monitor.values import Document, Entry, Feed, Match, Story, StoryDecision
from monitor.watching import Watching

log = logging.getLogger(__name__)

PACE_HOLDS = timedelta(hours=1)
DIGEST = 16  # bytes of an entry's digest (monitor.values.ParsedFeed.digests)
AT_A_TURN = 50  # entries whose keys are made until the loop comes round: 10 ms of long ones
AFTER_FAULT = timedelta(minutes=15)  # until a feed that we stumbled over is read again


class Pipeline:
    """Takes feeds through the stages. What it remembers between commits is in ``memory``."""

    def __init__(
        self,
        store: Store,
        fetcher: Fetcher,
        parser: ParsePool,
        memory: Memory,
        watching: Watching,
        clock: Clock,
        random: Random,
    ) -> None:
        self.watching = watching
        self.memory = memory
        self._store = store
        self.fetcher = fetcher
        self._parser = parser
        self._articles = ArticleReader(fetcher, parser, clock, canonical=canonical_url)
        self._clock = clock
        self._random = random
        self._pace = DEFAULT_PACE
        self._paced: PollingSettings | None = None
        self._paced_at = clock.now()
        self.on_step: Callable[[], None] = lambda: None  # after each entry decided about

    async def fetch(self, feed: Feed, state: FeedState) -> Polled:
        """Fetch and parse one feed; never raises for a fault of the feed's."""
        outcome = await self.fetcher.fetch(feed, state.validators, url=state.moved_to)
        failpoint("after_fetch")
        if outcome.status != "ok":
            return Polled(feed, state, outcome)
        known = await self._known_digests(state)
        began = self._clock.monotonic()
        try:
            parsed = await self._parser.parse(
                outcome.body, content_type=outcome.content_type, url=outcome.url, known=known
            )
        except ParseError as error:
            took = self._clock.monotonic() - began
            why = replace(outcome, reason=error.reason)
            return Polled(feed, state, why, parse_error=str(error), parse_seconds=took)
        failpoint("after_parse")
        took = self._clock.monotonic() - began
        polled = Polled(feed, state, outcome, parsed, parse_seconds=took)
        self._articles.fetcher = self.fetcher
        now = self._clock.now()
        return await with_articles(polled, self._articles, self._store, self.watching.ruleset, now)

    async def _known_digests(self, state: FeedState) -> frozenset[bytes]:
        if state.baselined_at is None or to_refresh(state, self._clock.now()):
            return frozenset()
        stored = await self._store.blob(digests_name(state)) or b""
        return frozenset(stored[at : at + DIGEST] for at in range(0, len(stored), DIGEST))

    async def take_push(self, feed: Feed, state: FeedState, outcome: FetchOutcome) -> Polled | None:
        """Parse what a hub pushed; None where there is nothing to take.

        Before the baseline there is nothing to tell new entries from, and what is no feed is
        the hub's fault, not the feed's: the next poll finds out.
        """
        if state.baselined_at is None:
            return None
        try:
            parsed = await self._parser.parse(
                outcome.body, content_type=outcome.content_type, url=outcome.url
            )
        except ParseError as error:
            log.warning(
                "a push was no feed; ignored", extra={"feed": feed.name, "reason": str(error)}
            )
            return None
        return Polled(feed, state, pushed(state, outcome), parsed)

    async def commit(self, batch: Sequence[Polled]) -> Committed:
        """Decide what ``batch`` means and store it in one transaction.

        After a ``StateError`` nothing of the batch is stored and the story index must be loaded
        anew; the feeds are polled again with their old validators.
        """
        await self._keep_pace()
        if any(polled.parsed is not None for polled in batch):
            await self.memory.desk.refresh_silences(self._store)
            self.memory.sleepers.expire(self._clock.now())
        decided = Batch()
        commits = []
        for polled in batch:
            commits.append(await self._decide_safely(polled, decided))
            if polled.parsed is not None:
                await asyncio.sleep(0)  # polls under way have deadlines: the loop must come round
        # Once a batch: each is one value, and only its last state counts.
        blobs = (*self.memory.desk.blobs(), *self.memory.baseline.blobs())
        commits[-1] = replace(commits[-1], blobs=(*commits[-1].blobs, *blobs))
        failpoint("before_commit")
        await self._store.commit_polls(commits)
        failpoint("after_commit")
        return Committed(
            tuple(commit.state for commit in commits),
            sum(
                commit.state.entries_seen - polled.state.entries_seen
                for commit, polled in zip(commits, batch, strict=True)
            ),
            len({match.entry_id for commit in commits for match in commit.matches}),
            sum(len(commit.outbox) for commit in commits),
            tuple(commits),
        )

    async def commit_unread(self, batch: Sequence[Polled]) -> tuple[FeedState, ...]:
        """Store polls that brought nothing to read (unchanged, failed): only their feeds change,
        so that no story index is needed."""
        await self._keep_pace()
        commits = [await self._decide_safely(polled, Batch()) for polled in batch]
        await self._store.commit_polls(commits)
        return tuple(commit.state for commit in commits)

    async def _keep_pace(self) -> None:
        """Fit the pace of polling to the poll budget, as feeds and their rhythms change."""
        now = self._clock.now()
        watching = self.watching
        if self._paced == watching.settings.polling and now - self._paced_at < PACE_HOLDS:
            return
        if watching.settings.polling.budget_per_day is not None:
            states = await self._store.feed_states()
            self._pace = common_pace(states.values(), watching.feeds, watching.settings.polling)
        else:
            self._pace = DEFAULT_PACE
        self._paced, self._paced_at = watching.settings.polling, now

    async def _decide_safely(self, polled: Polled, batch: Batch) -> PollCommit:
        """Decide one poll; a fault of ours in one feed must not stop the others.

        Nothing of that poll is stored but its failure, so that the feed is read again.
        """
        try:
            return await self._decide(polled, batch)
        except StateError:
            raise
        except Exception as error:
            log.exception("a poll could not be decided", extra={"feed": polled.feed.name})
            failed = replace(
                polled.state,
                next_at=self._clock.now() + AFTER_FAULT,
                failures=polled.state.failures + 1,
                last_status=f"internal error: {type(error).__name__}: {error}",
            )
            return PollCommit(failed)

    async def _decide(self, polled: Polled, batch: Batch) -> PollCommit:
        now = self._clock.now()
        feed, state, parsed = polled.feed, polled.state, polled.parsed
        if parsed is None:
            return PollCommit(self._new_state(polled, 0, now))
        entries, errors = without_errors(parsed.entries)
        identified = await self._identify(feed, state, entries, now)
        fresh = [each for each in identified if each.status == "new"]
        new_state = self._new_state(polled, len(fresh), now)
        new_state = with_character(new_state, parsed, [f.entry for f in fresh], site, now)
        if errors:
            log.warning(
                "items that are error pages were left out",
                extra={"feed": feed.name, "items": len(errors), "reason": errors[0]},
            )
            words = f"{new_state.last_status}; {len(errors)} left out: {errors[0]}"
            new_state = replace(new_state, last_status=words)
        first_poll = state.baselined_at is None
        if first_poll:
            new_state = replace(new_state, baselined_at=now)
        draft = Draft(feed, new_state, parsed, now)
        if not errors:  # else the next poll would not see that they are still there
            draft.keep_digests()
        articles = {parsed.entries[each.entry]: each for each in parsed.articles}
        for each in identified:
            draft.remember(each)
        if not (first_poll and feed.first_run == "ignore"):
            for each in fresh:
                old = first_poll and not self._is_news(feed, state, each.entry, now)
                article = articles.get(each.entry)
                if article is not None and article.text:
                    # Known by the keys of the feed's own words: the next poll brings those again.
                    each = each._replace(entry=replace(each.entry, content=article.text))
                await self._take(draft, each, batch, baseline=old)
                self.on_step()
                await asyncio.sleep(0)  # a thousand entries of 20 kB take seconds
                if article is not None and article.note:
                    draft.note(f"article not read: {article.note}")
            for each in identified:
                if each.status == "changed":
                    await self._retake(draft, each, batch)
                    await asyncio.sleep(0)
        if first_poll and feed.first_run == "baseline":
            self.memory.baseline.count(feed.name, len(draft.entries), now)
        return draft.finish(self.memory.index)

    def _new_state(self, polled: Polled, fresh: int, now: datetime) -> FeedState:
        state = after_poll(
            polled.state,
            polled.feed,
            polled.outcome,
            polled.parsed,
            fresh,
            now,
            self.watching.settings.polling,
            self._random,
            polled.parse_error,
            self._pace,
        )
        return with_hold(state, polled.outcome, now)

    async def _identify(
        self, feed: Feed, state: FeedState, entries: Sequence[Entry], now: datetime
    ) -> tuple[Identified, ...]:
        keys: list[EntryKeys] = []
        for start in range(0, len(entries), AT_A_TURN):
            keys += [keys_of(entry, feed.url) for entry in entries[start : start + AT_A_TURN]]
            await asyncio.sleep(0)
        known = await seen(self._store, state, keys)
        return identify(entries, keys, known, lambda: new_id(now), feed.identity)

    def _is_news(self, feed: Feed, state: FeedState, entry: Entry, now: datetime) -> bool:
        """Tell whether an entry of a first poll is to alert: asked for, or dated after the feed
        was added to the configuration."""
        if feed.first_run == "alert":
            return True
        published = entry.published
        return published is not None and state.added_at < published <= now + timedelta(hours=1)

    async def _take(self, draft: Draft, each: Identified, batch: Batch, *, baseline: bool) -> None:
        """Match one new entry, find its story, and plan its alerts."""
        assert each.entry_id is not None
        watching, now = self.watching, draft.now
        document = document_of(each.entry_id, draft.feed, draft.parsed, each.entry, now)
        matches = watching.ruleset.current(
            watching.ruleset.match(document), document.published, now
        )
        decision = await self._story(draft, document, matches, batch, baseline=baseline)
        outcome = "no rule matched"
        if baseline:
            outcome = "baselined"
            if matches:
                self.memory.baseline.would_match(document, matches)
        elif matches:
            summary = summarise(document, hits_of(matches))
            entities = watching.ruleset.entities(document)
            matched = Matched(document, each.entry_id, now, decision, matches, entities, summary)
            outcome = await self._plan(draft, matched, batch)
        grown = None if baseline else self.memory.desk.joined(decision, document, now)
        if grown is not None:
            # A rule waited for this story to grow; the entry that it matched came earlier.
            await self._plan(draft, grown, batch)
        draft.matches.extend(EntryMatch(each.entry_id, match) for match in matches)
        stored = StoredEntry(
            id=each.entry_id,
            feed_id=draft.state.id,
            entry=each.entry,
            first_seen=now,
            published=document.published,
            story_id=decision.story.id,
            story_kind=decision.kind,
            duplicate_of=decision.duplicate_of,
            baseline=baseline,
            outcome=outcome,
            source=document.source or "",
            language=document.language,
        )
        draft.entries.append(stored)
        if stored.id in self.memory.sleepers:
            batch.asleep[stored.id] = FoundEntry(stored, draft.feed.key)

    async def _story(
        self,
        draft: Draft,
        document: Document,
        matches: Sequence[Match],
        batch: Batch,
        *,
        baseline: bool,
    ) -> StoryDecision:
        """Find the story of an entry. One that was there before waits, asleep, until a later one
        asks for it, and what was published before the days in which stories grow waits for none."""
        index, sleepers, now = self.memory.index, self.memory.sleepers, draft.now
        if baseline and document.published and now - document.published > WINDOW:
            return _alone(document, document.published, "published before stories that still grow")
        if baseline and len(index) >= AWAKE:
            sleepers.add(document.id, document.title, text_of(document), now)
            return _alone(document, now, "there before; its story is looked for when another asks")
        if not baseline:
            watching = self.watching
            await wake(
                draft, document, batch, self._store, self.memory, watching.ruleset, watching.feeds
            )
        key = next((match.key for match in matches if match.key), None)
        return index.assign(document, now, key=key)

    async def _retake(self, draft: Draft, each: Identified, batch: Batch) -> None:
        async def plan(matched: Matched) -> str:
            return await self._plan(draft, matched, batch)

        await retake(draft, each, self._store, self.memory.index, self.watching.ruleset, plan)

    async def _plan(self, draft: Draft, matched: Matched, batch: Batch) -> str:
        """Plan the alerts of a matched entry; returns what became of it, in words."""
        story = matched.decision.story.id
        planned = batch.planned.get(story, [])
        prior = (*await self._store.outbox_rows(story_id=story), *planned)
        router, settings = self.watching.router, self.watching.settings
        made = self.memory.desk.plan(matched, prior, router, settings, draft.now)
        batch.planned[story] = [row for row in planned if row.id not in made.forget]
        batch.planned[story].extend(made.rows)
        draft.withdraw(made.forget)
        draft.outbox.extend(made.rows)
        return made.outcome


def _alone(document: Document, at: datetime, reason: str) -> StoryDecision:
    """Return a story of its own for an entry that isn't compared with any other.

    A feed's first poll brings mostly such entries; to cluster them would cost most of the poll,
    and fill the window with what nothing can join.
    """
    source = document.source or document.feed
    story = Story(document.id, document.title, at, at, (source,) if source else ())
    return StoryDecision(story, "new", reason)
