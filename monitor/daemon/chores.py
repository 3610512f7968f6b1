"""What the daemon does at every tick besides polling and delivering: tell people, clear away.

Each chore is told all it needs and returns whether it queued a message.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from monitor.alerts.desk import Desk
from monitor.alerts.ops import OpsDesk
from monitor.alerts.plan import baseline_alert
from monitor.alerts.rounds import Rounds
from monitor.config.models import RetentionSettings, Settings
from monitor.pipeline.baseline import BLOB, BaselineLog
from monitor.rules import RuleSet
from monitor.rules.index.frequencies import BLOB as FREQUENCIES
from monitor.sources import rhythm
from monitor.sources.schedule import REFRESH
from monitor.store.port import FeedState, Retention, Store
from monitor.values import Feed

log = logging.getLogger(__name__)

# How long an identity key outlives its last refresh: half a year after it was last in the feed.
SEEN = timedelta(days=180) + REFRESH


def waiting_for_baseline(states: Iterable[FeedState]) -> int:
    """Return how many feeds have yet to show what was there before, and may soon."""
    return sum(
        state.baselined_at is None and not state.failures and not state.disabled_reason
        for state in states
    )


async def tell_baseline(
    store: Store, baseline: BaselineLog, waiting: int, settings: Settings, now: datetime
) -> bool:
    """Queue the message of the first run, once no more feeds are waited for."""
    pending = baseline.due(now, waiting)
    if pending is None:
        return False
    row = baseline_alert(pending.id, pending.feeds, pending.matching, pending.items, settings, now)
    log.info(
        "baselined: these entries were there before and alert nothing",
        extra={"feeds": len(pending.feeds), "entries": sum(pending.feeds.values())},
    )
    if row is not None:
        await store.enqueue([row])
    await store.put_blobs({BLOB: None})
    baseline.done()
    return True


async def make_rounds(store: Store, desk: Desk, settings: Settings, now: datetime) -> bool:
    """Release what was held, post digests, ask again where nobody answered."""
    return bool(await Rounds(store, desk).run(settings, now))


async def tell_ops(
    ops: OpsDesk, settings: Settings, watched: Sequence[tuple[Feed, FeedState]], now: datetime
) -> None:
    """Tell the ops channel how the feeds fare, and once a day that all is well."""
    await ops.run(
        settings, watched, now, lambda state: rhythm.from_text(state.extra.get("rhythm")).rate
    )


async def prune(
    store: Store, retention: RetentionSettings, ruleset: RuleSet, now: datetime
) -> None:
    """Remove what is past its retention, and store which words the rules have met."""
    pruned = await store.prune(
        now, Retention(retention.stories, retention.alerts, SEEN, retention.max_size, REFRESH)
    )
    await store.put_blobs({FREQUENCIES: ruleset.frequencies().to_bytes()})
    if pruned.entries or pruned.outbox:
        log.info("pruned", extra={"entries": pruned.entries, "bytes": pruned.bytes_after})
