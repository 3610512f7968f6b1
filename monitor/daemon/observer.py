"""What the daemon tells of its work to whoever counts it (the status page's metrics).

Apart from ``monitor.web``, so that the daemon runs without the packages of the status page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from monitor.pipeline.polls import Committed, Polled
from monitor.store.port import OutboxRow


class Observer(Protocol):
    """Is told after the fact; must be quick and must not raise."""

    def committed(self, batch: Sequence[Polled], done: Committed) -> None:
        """Take note of polls that are stored, with what they came to."""

    def settled(self, rows: Sequence[OutboxRow]) -> None:
        """Take note of what became of rows that were sent to their channels."""
