"""What the pipeline keeps in memory between commits, and how it is got back from the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitor.alerts.desk import Desk
from monitor.pipeline.baseline import BLOB, BaselineLog
from monitor.store.port import Store
from monitor.stories.index import StoryIndex
from monitor.stories.sleepers import MAX_SLEEPERS, Sleepers
from monitor.stories.weights import WINDOW


@dataclass(frozen=True, slots=True)
class Memory:
    """The stories of the last days and the entries that sleep beside them, what the alerts desk
    remembers, and the baseline's count.

    Each stores what it changes with the commit that changed it; after a commit that failed all are
    ahead of the store and must be loaded anew.
    """

    index: StoryIndex
    sleepers: Sleepers
    desk: Desk
    baseline: BaselineLog

    @classmethod
    async def load(cls, store: Store, now: datetime) -> Memory:
        """Return what ``store`` holds; raises ``StateError``."""
        baseline = BaselineLog(await store.blob(BLOB))
        desk = await Desk.load(store)
        index = await StoryIndex.load(store, now)
        sleepers = Sleepers()
        for each in await store.baselined(now - WINDOW, MAX_SLEEPERS):
            bygone = each.published is not None and each.first_seen - each.published > WINDOW
            if not bygone and each.id not in index:
                sleepers.add(each.id, each.title, each.text, each.first_seen)
        return cls(index, sleepers, desk, baseline)
