"""What the pipeline keeps in memory between commits, and how it is got back from the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitor.alerts.desk import Desk
from monitor.baseline import BLOB, BaselineLog
from monitor.store.port import Store
from monitor.stories.index import StoryIndex


@dataclass(frozen=True, slots=True)
class Memory:
    """The stories of the last days, what the alerts desk remembers, and the baseline's count.

    Each stores what it changes with the commit that changed it; after a commit that failed all
    three are ahead of the store and must be loaded anew.
    """

    index: StoryIndex
    desk: Desk
    baseline: BaselineLog

    @classmethod
    async def load(cls, store: Store, now: datetime) -> Memory:
        """Return what ``store`` holds; raises ``StateError``."""
        baseline = BaselineLog(await store.blob(BLOB))
        desk = await Desk.load(store)
        return cls(await StoryIndex.load(store, now), desk, baseline)
