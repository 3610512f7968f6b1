"""Named points at which a test may kill or fail the program; no-ops unless switched on.

``NEWSWATCH_FAILPOINTS="after_commit=kill:2,before_post=raise"`` kills the process (SIGKILL) the
second time ``after_commit`` is reached and raises at the first ``before_post``. ``log=PATH``
appends every point reached to a file. Test-only.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path


class FailpointReached(RuntimeError):
    """Raised by a failpoint switched to ``raise``."""


_actions: dict[str, tuple[str, int]] = {}
_reached: Counter[str] = Counter()
_log: Path | None = None


def configure(text: str | None) -> None:
    """Switch failpoints on from the environment variable's value; raises ``ValueError``."""
    global _log
    _actions.clear()
    _reached.clear()
    _log = None
    for item in filter(None, (part.strip() for part in (text or "").split(","))):
        name, _, action = item.partition("=")
        if name == "log":
            _log = Path(action)
            continue
        verb, _, count = action.partition(":")
        if verb not in ("kill", "raise"):
            raise ValueError(f"failpoint {name!r}: unknown action {verb!r} (kill or raise)")
        _actions[name] = (verb, int(count or 1))


def failpoint(name: str) -> None:
    """Mark a point in the flow; kills or raises here if a test asked for it."""
    if not _actions and _log is None:
        return
    _reached[name] += 1
    if _log is not None:
        with _log.open("a") as out:
            out.write(name + "\n")
    action = _actions.get(name)
    if action is None or _reached[name] != action[1]:
        return
    if action[0] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise FailpointReached(name)
