"""Entries whose text was edited after they were taken: what of it is worth an alert."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from monitor.alerts.plan import Matched
from monitor.pipeline.documents import document_of, hits_of
from monitor.pipeline.polls import Draft
from monitor.rules import RuleSet
from monitor.sources.articles import is_teaser
from monitor.store.port import EntryMatch, Store
from monitor.stories.identity import Identified
from monitor.stories.index import StoryIndex
from monitor.stories.summary import summarise
from monitor.values import Story, StoryDecision


async def retake(
    draft: Draft,
    each: Identified,
    store: Store,
    index: StoryIndex,
    ruleset: RuleSet,
    plan: Callable[[Matched], Awaitable[str]],
) -> None:
    """Look again at an entry whose text was edited, and add what it came to to ``draft``.

    It alerts (through ``plan``) where a rule holds now that didn't hold before, and is a
    development where it says something new; a typo that was mended is nothing.
    """
    assert each.entry_id is not None
    feed, now = draft.feed, draft.now
    found = next(iter(await store.find_entries(each.entry_id, limit=1)), None)
    if found is None or found.entry.id != each.entry_id:
        return  # past its retention: known by its keys alone
    stored = found.entry
    if feed.full_text != "never" and is_teaser(each.entry) and not is_teaser(stored.entry):
        # The feed changed its teaser; the article that was read stays.
        each = each._replace(entry=replace(each.entry, content=stored.entry.content))
    document = document_of(stored.id, feed, draft.parsed, each.entry, now)
    matches = ruleset.current(ruleset.match(document), document.published, now)
    decision = index.revise(document, now)
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
        outcome = await plan(matched)
    draft.matches.extend(EntryMatch(stored.id, match) for match in gained)
    draft.entries.append(
        replace(stored, entry=each.entry, published=document.published, outcome=outcome)
    )
