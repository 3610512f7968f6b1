"""Which rules fire so often that nobody will read them, told from the stories already stored.

Bounded in time, since `check` is asked at every save: a week of a large watch is looked at in an
even sample.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.cli.common import Watch, opened_store, run_async
from monitor.config.load import feeds
from monitor.errors import Problem, StateError
from monitor.loading import state_target
from monitor.pipeline.documents import document_of_stored

WEEK = timedelta(days=7)
SECONDS = 1.0
"""CPU time spent on looking (some thousand stories with a thousand rules)."""
PIECE = 200
"""Stories looked at between two looks at the clock."""
MANY = 280
"""Matches in a week from which a rule is too broad: 40 a day."""
SHARE, ENOUGH = 0.25, 40
"""Share of all stories that is too much, where there are so many or more."""


def too_broad(watch: Watch) -> list[Problem]:
    """Return a note for each rule that would have fired very often in the last seven days.

    Only where the state is a folder with a store of this version in it: nothing is made or
    migrated, no network is asked. A store that can't be read is for other commands to tell of.
    """
    from monitor.store.sqlite.connection import FILE_NAME
    from monitor.store.sqlite.migrate import is_current

    state = state_target(watch.loaded)
    if "://" in state or not watch.loaded.settings.rules or not is_current(Path(state) / FILE_NAME):
        return []
    try:
        fired, looked, total = run_async(lambda: _fired(watch))
    except StateError:
        return []
    notes = []
    for index, rule in enumerate(watch.loaded.settings.rules):
        times = round(fired[rule.name] * total / looked) if looked else 0
        if times >= MANY or (total >= ENOUGH and times >= SHARE * total):
            often = "once" if times == 1 else f"{times:,} times"
            about = "" if looked == total else "about "
            place = watch.loaded.positions.place(("rules", index, "name"))
            message = (
                f"rule {rule.name!r} would have fired {about}{often} in the last 7 days, "
                f"on {times / total:.0%} of {total:,} stories"
            )
            hint = "ask for more, add `none`, or set `precision: balanced`"
            notes.append(Problem(message, place, hint, "note"))
    return notes


async def _fired(watch: Watch) -> tuple[Counter[str], int, int]:
    """Return how often each rule fires, on how many stories, and how many there are."""
    ruleset = watch.compiled.ruleset
    known = {feed.key: feed for feed in feeds(watch.loaded)}
    fired: Counter[str] = Counter()
    looked = 0
    until = time.process_time() + SECONDS
    async with opened_store(watch.loaded) as store:
        numbers = await store.numbers_since(datetime.now(UTC) - WEEK)
        pieces = max(1, -(-len(numbers) // PIECE))
        for piece in range(pieces):  # each of them spread over the whole week
            for entry in await store.entries_numbered(numbers[piece::pieces]):
                looked += 1
                matches = ruleset.match(document_of_stored(entry, known))
                fired.update(match.rule for match in matches)
            if time.process_time() > until and piece + 1 < pieces:
                return fired, looked, len(numbers)
    return fired, looked, looked
