"""Story conditions: `when_story` holds a rule back until its story is big enough. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from monitor.config.models import WhenStory
from monitor.values import Story

_WORDS = re.compile(r"\w+")


def story_holds(
    when: WhenStory,
    story: Story,
    source: str,
    now: datetime,
    times: Mapping[str, datetime] | None = None,
) -> bool:
    """Tell whether a story satisfies ``when``.

    Args:
        when: the rule's condition.
        story: the story with its independent sources (reprints of one text count once).
        source: who published the entry at hand; it may be one of `or_source` though its text is
            a reprint.
        now: the entry's time.
        times: when each source was first seen, where known; the others are taken to have been
            there from the start, the entry's own source to be new.
    """
    if any(_named(name, wanted) for wanted in when.or_source for name in (*story.sources, source)):
        return True
    if when.or_source and "sources" not in when.model_fields_set:
        return False
    return len(sources_within(when, story, source, now, times or {})) >= when.sources


def sources_within(
    when: WhenStory, story: Story, source: str, now: datetime, times: Mapping[str, datetime]
) -> Sequence[str]:
    """Return the independent sources that count for ``when``."""
    if when.within is None:
        return story.sources
    first = {name: times.get(name, story.first_seen) for name in story.sources}
    if source in first and source not in times and story.entries > 1:
        first[source] = now
    return [name for name, at in first.items() if now - at <= when.within]


def waiting_words(
    when: WhenStory,
    story: Story,
    source: str,
    now: datetime,
    times: Mapping[str, datetime] | None = None,
) -> str:
    """Return what is waited for ("waits for 3 independent sources, 1 so far")."""
    wanted = []
    if "sources" in when.model_fields_set or not when.or_source:
        within = f" within {when.within}" if when.within else ""
        so_far = len(sources_within(when, story, source, now, times or {}))
        wanted.append(f"{when.sources} independent sources{within}, {so_far} so far")
    if when.or_source:
        wanted.append(" or ".join(when.or_source))
    return "waits for " + ", or for ".join(wanted)


def _named(name: str, wanted: str) -> bool:
    """Tell whether ``wanted`` is among the words of a source's name: "Reuters" names "Reuters
    World", "AP" doesn't name "Apple Daily"."""
    words, target = _WORDS.findall(name.casefold()), _WORDS.findall(wanted.casefold())
    size = len(target)
    return size > 0 and any(words[at : at + size] == target for at in range(len(words) - size + 1))
