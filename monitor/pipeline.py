"""poll → new entries → match → story → route → outbox: one page, read top to bottom.

The only module that knows the order of the stages. ``fetch`` may run for many feeds at once;
``commit`` takes what they brought, one batch at a time, decides, and stores each batch whole.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from monitor.alerts.desk import Desk
from monitor.alerts.plan import Matched
from monitor.alerts.route import Router
from monitor.baseline import BaselineLog
from monitor.clock import Clock
from monitor.config.models import PollingSettings, Settings
from monitor.documents import document_of, hits_of
from monitor.errors import ParseError, StateError
from monitor.failpoints import failpoint
from monitor.ids import new_id
from monitor.rules import RuleSet
from monitor.sources.articles import ArticleReader, is_teaser
from monitor.sources.fetch import Fetcher, FetchOutcome
from monitor.sources.holds import with_hold
from monitor.sources.parse import ParsePool
from monitor.sources.rhythm import DEFAULT_PACE
from monitor.sources.schedule import after_poll, common_pace
from monitor.sources.websub import pushed
from monitor.store.port import (
    EntryMatch,
    FeedState,
    OutboxRow,
    PollCommit,
    SeenKey,
    Store,
    StoredEntry,
)
from monitor.stories.error_items import is_error_item
from monitor.stories.identity import Identified, all_keys, identify, keys_of
from monitor.stories.index import StoryIndex
from monitor.stories.summary import summarise
from monitor.stories.urls import canonical_url
from monitor.stories.weights import WINDOW
from monitor.values import Document, Entry, Feed, ParsedFeed, Story, StoryDecision

log = logging.getLogger(__name__)

PACE_HOLDS = timedelta(hours=1)
DIGEST = 16  # bytes of an entry's digest (monitor.values.ParsedFeed.digests)
AFTER_FAULT = timedelta(minutes=15)  # until a feed that we stumbled over is read again


@dataclass(frozen=True, slots=True)
class Watching:
    """What the configuration says, ready for use; swapped as a whole on reload."""

    settings: Settings
    ruleset: RuleSet
    router: Router
    feeds: Mapping[str, Feed]


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought: a parsed feed, or the reason why there is none.

    ``parse_seconds`` includes the wait for a parsing worker.
    """

    feed: Feed
    state: FeedState
    outcome: FetchOutcome
    parsed: ParsedFeed | None = None
    parse_error: str = ""
    parse_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """What a batch of polls came to; ``commits`` is what was stored of it, poll by poll."""

    states: tuple[FeedState, ...]
    new_entries: int
    matched: int
    alerts: int
    commits: tuple[PollCommit, ...] = ()


class Pipeline:
    """Takes feeds through the stages. Holds no state of its own but the story index and what the
    alerts desk remembers."""

    def __init__(
        self,
        store: Store,
        fetcher: Fetcher,
        parser: ParsePool,
        index: StoryIndex,
        desk: Desk,
        baseline: BaselineLog,
        watching: Watching,
        clock: Clock,
        random: Random,
    ) -> None:
        self.watching = watching
        self.index = index
        self._desk = desk
        self._store = store
        self.fetcher = fetcher
        self._parser = parser
        self._articles = ArticleReader(fetcher, parser, clock, canonical=canonical_url)
        self._baseline = baseline
        self._clock = clock
        self._random = random
        self._pace = DEFAULT_PACE
        self._paced: PollingSettings | None = None
        self._paced_at = clock.now()

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
            return Polled(feed, state, outcome, parse_error=str(error), parse_seconds=took)
        failpoint("after_parse")
        took = self._clock.monotonic() - began
        unread = tuple(at for at, digest in enumerate(parsed.digests) if digest in known)
        polled = Polled(feed, state, outcome, replace(parsed, unread=unread), parse_seconds=took)
        return await self._with_articles(polled)

    async def _with_articles(self, polled: Polled) -> Polled:
        """Read the article pages of new entries that are teasers, where the feed wants it.

        ``when_needed`` passes over an entry that a rule matches as it is. Never on a first poll,
        whose entries are the past, and never from a file's links.
        """
        feed, state, parsed = polled.feed, polled.state, polled.parsed
        off = feed.full_text == "never" or feed.url.startswith("file:")
        if parsed is None or off or state.baselined_at is None:
            return polled
        now = self._clock.now()
        unread = frozenset(parsed.unread)
        places = [
            (at, entry)
            for at, entry in enumerate(parsed.entries)
            if at not in unread and not is_error_item(entry)
        ]
        identified = await self._identify(feed, state, [entry for _, entry in places], now)
        wanted = [
            place
            for place, each in zip(places, identified, strict=True)
            if each.status == "new"
            and is_teaser(each.entry)
            and (feed.full_text == "always" or not self._matches(feed, parsed, each, now))
        ]
        if not wanted:
            return polled
        self._articles.fetcher = self.fetcher
        articles = await self._articles.read(feed, wanted)
        return replace(polled, parsed=replace(parsed, articles=articles))

    def _matches(self, feed: Feed, parsed: ParsedFeed, each: Identified, now: datetime) -> bool:
        assert each.entry_id is not None
        document = document_of(each.entry_id, feed, parsed, each.entry, now)
        return bool(self.watching.ruleset.match(document))

    async def _known_digests(self, state: FeedState) -> frozenset[bytes]:
        stored = await self._store.blob(_digests_name(state)) if state.baselined_at else None
        stored = stored or b""
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
        await self._desk.refresh_silences(self._store)
        planned: dict[str, list[OutboxRow]] = defaultdict(list)
        commits = [await self._decide_safely(polled, planned) for polled in batch]
        # Once a batch: the desk's memory is one value, and only its last state counts.
        commits[-1] = replace(commits[-1], blobs=(*commits[-1].blobs, *self._desk.blobs()))
        failpoint("before_commit")
        await self._store.commit_polls(commits)
        failpoint("after_commit")
        return Committed(
            tuple(commit.state for commit in commits),
            sum(len(commit.entries) for commit in commits),
            len({match.entry_id for commit in commits for match in commit.matches}),
            sum(len(commit.outbox) for commit in commits),
            tuple(commits),
        )

    async def commit_unread(self, batch: Sequence[Polled]) -> tuple[FeedState, ...]:
        """Store polls that brought nothing to read (unchanged, failed): only their feeds change,
        so that no story index is needed."""
        await self._keep_pace()
        commits = [await self._decide_safely(polled, {}) for polled in batch]
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

    async def _decide_safely(
        self, polled: Polled, planned: dict[str, list[OutboxRow]]
    ) -> PollCommit:
        """Decide one poll; a fault of ours in one feed must not stop the others.

        Nothing of that poll is stored but its failure, so that the feed is read again.
        """
        try:
            return await self._decide(polled, planned)
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

    async def _decide(self, polled: Polled, planned: dict[str, list[OutboxRow]]) -> PollCommit:
        now = self._clock.now()
        feed, state, parsed = polled.feed, polled.state, polled.parsed
        entries, _ = _without_errors(_unknown(polled))
        _, errors = _without_errors(parsed.entries if parsed is not None else ())
        identified = await self._identify(feed, state, entries, now)
        fresh = [each for each in identified if each.status == "new"]
        new_state = after_poll(
            state,
            feed,
            polled.outcome,
            parsed,
            len(fresh),
            now,
            self.watching.settings.polling,
            self._random,
            polled.parse_error,
            self._pace,
        )
        new_state = with_hold(new_state, polled.outcome, now)
        if errors:
            log.warning(
                "items that are error pages were left out",
                extra={"feed": feed.name, "items": len(errors), "reason": errors[0]},
            )
            words = f"{new_state.last_status}; {len(errors)} left out: {errors[0]}"
            new_state = replace(new_state, last_status=words)
        if parsed is None:
            return PollCommit(new_state)
        first_poll = state.baselined_at is None
        if first_poll:
            new_state = replace(new_state, baselined_at=now)
        commit = _Commit(new_state)
        commit.digests(polled)
        articles = {parsed.entries[each.entry]: each for each in parsed.articles}
        for each in identified:
            commit.remember(each)
        if not (first_poll and feed.first_run == "ignore"):
            for each in fresh:
                old = first_poll and not self._is_news(feed, state, each.entry, now)
                article = articles.get(each.entry)
                if article is not None and article.text:
                    # Known by the keys of the feed's own words: the next poll brings those again.
                    each = replace(each, entry=replace(each.entry, content=article.text))
                await self._take(commit, feed, parsed, each, now, planned, baseline=old)
                if article is not None and article.note:
                    commit.note(f"article not read: {article.note}")
            for each in identified:
                if each.status == "changed":
                    await self._retake(commit, feed, parsed, each, now, planned)
        if first_poll and feed.first_run == "baseline":
            self._baseline.count(feed.name, len(commit.entries), now)
        return commit.finish(self.index, self._baseline)

    async def _identify(
        self, feed: Feed, state: FeedState, entries: Sequence[Entry], now: datetime
    ) -> tuple[Identified, ...]:
        keys = {key for entry in entries for key in all_keys(keys_of(entry, feed.url))}
        known = await self._store.seen(state.id, sorted(keys)) if keys else {}
        return identify(entries, known, feed.url, lambda: new_id(now), feed.identity)

    def _is_news(self, feed: Feed, state: FeedState, entry: Entry, now: datetime) -> bool:
        """Tell whether an entry of a first poll is to alert: asked for, or dated after the feed
        was added to the configuration."""
        if feed.first_run == "alert":
            return True
        published = entry.published
        return published is not None and state.added_at < published <= now + timedelta(hours=1)

    async def _take(
        self,
        commit: _Commit,
        feed: Feed,
        parsed: ParsedFeed,
        each: Identified,
        now: datetime,
        planned: dict[str, list[OutboxRow]],
        *,
        baseline: bool,
    ) -> None:
        """Match one new entry, find its story, and plan its alerts."""
        assert each.entry_id is not None
        watching = self.watching
        document = document_of(each.entry_id, feed, parsed, each.entry, now)
        matches = watching.ruleset.current(
            watching.ruleset.match(document), document.published, now
        )
        key = next((match.key for match in matches if match.key), None)
        if baseline and document.published and now - document.published > WINDOW:
            decision = _bygone(document, document.published)
        else:
            decision = self.index.assign(document, now, key=key)
        outcome = "no rule matched"
        if baseline:
            outcome = "baselined"
            if matches:
                self._baseline.would_match(document, matches)
        elif matches:
            summary = summarise(document, hits_of(matches))
            entities = watching.ruleset.entities(document)
            matched = Matched(document, each.entry_id, now, decision, matches, entities, summary)
            outcome = await self._plan(commit, matched, planned, now)
        if not baseline and (grown := self._desk.joined(decision, document, now)) is not None:
            # A rule waited for this story to grow; the entry that it matched came earlier.
            await self._plan(commit, grown, planned, now)
        commit.matches.extend(EntryMatch(each.entry_id, match) for match in matches)
        commit.entries.append(
            StoredEntry(
                id=each.entry_id,
                feed_id=commit.state.id,
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
        )

    async def _retake(
        self,
        commit: _Commit,
        feed: Feed,
        parsed: ParsedFeed,
        each: Identified,
        now: datetime,
        planned: dict[str, list[OutboxRow]],
    ) -> None:
        """Look again at an entry whose text was edited.

        It alerts where a rule holds now that didn't hold before, and is a development where it
        says something new; a typo that was mended is nothing.
        """
        assert each.entry_id is not None
        found = next(iter(await self._store.find_entries(each.entry_id, limit=1)), None)
        if found is None or found.entry.id != each.entry_id:
            return  # past its retention: known by its keys alone
        stored, ruleset = found.entry, self.watching.ruleset
        if feed.full_text != "never" and is_teaser(each.entry) and not is_teaser(stored.entry):
            # The feed changed its teaser; the article that was read stays.
            each = replace(each, entry=replace(each.entry, content=stored.entry.content))
        document = document_of(stored.id, feed, parsed, each.entry, now)
        matches = ruleset.current(ruleset.match(document), document.published, now)
        decision = self.index.revise(document, now)
        if decision is None:
            story = Story(stored.story_id, stored.entry.title, stored.first_seen, now)
            decision = StoryDecision(story, "none", "edited after its story was over")
        gained = [match for match in matches if match.rule not in found.rules]
        tells = gained or (decision.kind == "update" and not stored.baseline)
        outcome = stored.outcome
        if matches and tells:
            summary = summarise(document, hits_of(matches))
            entities = ruleset.entities(document)
            told = tuple(matches) if found.rules and not stored.baseline else tuple(gained)
            matched = Matched(document, stored.id, now, decision, told, entities, summary)
            outcome = await self._plan(commit, matched, planned, now)
        commit.matches.extend(EntryMatch(stored.id, match) for match in gained)
        commit.entries.append(
            replace(stored, entry=each.entry, published=document.published, outcome=outcome)
        )

    async def _plan(
        self,
        commit: _Commit,
        matched: Matched,
        planned: dict[str, list[OutboxRow]],
        now: datetime,
    ) -> str:
        """Plan the alerts of a matched entry; returns what became of it, in words."""
        story = matched.decision.story.id
        prior = (*await self._store.outbox_rows(story_id=story), *planned[story])
        made = self._desk.plan(matched, prior, self.watching.router, self.watching.settings, now)
        planned[story] = [row for row in planned[story] if row.id not in made.forget]
        planned[story].extend(made.rows)
        commit.withdraw(made.forget)
        commit.outbox.extend(made.rows)
        return made.outcome


def _bygone(document: Document, published: datetime) -> StoryDecision:
    """Return the story of a baseline entry from before the window: over, so it takes no others.

    A feed's first poll brings mostly such entries; to cluster them would cost most of the poll,
    and fill the window with what nothing can join.
    """
    source = document.source or document.feed
    story = Story(document.id, document.title, published, published, (source,) if source else ())
    return StoryDecision(story, "new", "published before the days in which stories grow")


def _digests_name(state: FeedState) -> str:
    return f"digests/{state.id}"


def _unknown(polled: Polled) -> tuple[Entry, ...]:
    """Return the entries that are not known to the letter."""
    if polled.parsed is None:
        return ()
    unread = frozenset(polled.parsed.unread)
    return tuple(e for at, e in enumerate(polled.parsed.entries) if at not in unread)


def _without_errors(entries: Sequence[Entry]) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Part what a bridge posted for its own errors, as reasons in words, from entries."""
    reasons = [is_error_item(entry) for entry in entries]
    kept = tuple(e for e, reason in zip(entries, reasons, strict=True) if reason is None)
    return kept, tuple(reason for reason in reasons if reason is not None)


class _Commit:
    """A PollCommit in the making."""

    def __init__(self, state: FeedState) -> None:
        self.state = state
        self.entries: list[StoredEntry] = []
        self.matches: list[EntryMatch] = []
        self.outbox: list[OutboxRow] = []
        self._forget: list[str] = []
        self._seen: list[SeenKey] = []
        self._touched: list[bytes] = []
        self._blobs: list[tuple[str, bytes]] = []

    def digests(self, polled: Polled) -> None:
        """Keep the digests of the document's entries for the feed's next poll."""
        parsed = polled.parsed
        if parsed is None or not parsed.digests:
            return
        if len(parsed.unread) < len(parsed.digests):
            self._blobs.append((_digests_name(polled.state), b"".join(parsed.digests)))
        for at in parsed.unread:
            self._touched.extend(all_keys(keys_of(parsed.entries[at], polled.feed.url)))

    def remember(self, each: Identified) -> None:
        self._seen.extend(each.seen)
        self._touched.extend(all_keys(each.keys))

    def note(self, words: str) -> None:
        """Add to what became of the last entry."""
        last = self.entries[-1]
        self.entries[-1] = replace(last, outcome=f"{last.outcome} ({words})")

    def withdraw(self, rows: Sequence[str]) -> None:
        """Take back held rows by their ids, whether stored already or planned in this poll."""
        self.outbox = [row for row in self.outbox if row.id not in rows]
        self._forget.extend(rows)

    def finish(self, index: StoryIndex, baseline: BaselineLog) -> PollCommit:
        return PollCommit(
            self.state,
            tuple(self.entries),
            tuple(self._seen),
            tuple(self._touched),
            tuple(self.matches),
            index.changed(),
            tuple(self.outbox),
            (*index.blobs(), *baseline.blobs(), *self._blobs),
            tuple(self._forget),
        )
