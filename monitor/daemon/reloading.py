"""Looking whether the configuration changed: a broken one is told of once and changes nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from monitor.alerts.ops import OpsDesk
from monitor.clock import Clock
from monitor.errors import ConfigError
from monitor.watching import Watching

log = logging.getLogger(__name__)


async def changed(
    reload: Callable[[], Watching | None], ops: OpsDesk, current: Watching, clock: Clock
) -> Watching | None:
    """Return the new configuration where there is a good one, else None; ops is told of both.

    ``reload`` returns a changed configuration, None where nothing changed, and raises
    ``ConfigError`` once for a broken one.
    """
    try:
        # In a thread: compiling 100,000 rules takes seconds, and polls must go on.
        fresh = await asyncio.to_thread(reload)
    except ConfigError as error:
        log.error("configuration refused; the last good one stays in force")
        for problem in error.problems:
            log.error(str(problem))
        await ops.config_refused(error.problems, current.settings, clock.now())
        return None
    if fresh is not None:
        await ops.config_changed(current.settings, fresh.settings, clock.now())
    return fresh
