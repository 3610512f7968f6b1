"""That the store fails: said once, in plain words, and again when it works.

Everything that comes round twice a second meets a full disk twice a second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from monitor.clock import Clock

log = logging.getLogger(__name__)
AGAIN = 600.0  # seconds after which a trouble that lasts is told once more


class Trouble:
    """``words`` say why the store can't be used; "" while it can. ``tell`` is told of both."""

    def __init__(self, clock: Clock, tell: Callable[[str], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._told_at = float("-inf")
        self.words = ""

    def met(self, error: Exception) -> None:
        """Note that the store failed; what waits for it is tried again."""
        words, now = str(error), self._clock.monotonic()
        if words == self.words and now - self._told_at < AGAIN:
            return
        self.words, self._told_at = words, now
        log.error("the store fails; what waits for it is tried again", extra={"reason": words})
        self._tell(words)

    def over(self) -> None:
        """Note that something was stored."""
        if self.words:
            self.words = ""
            log.warning("the store works again")
            self._tell("")
