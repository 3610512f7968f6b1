"""One program per state directory: a lock that the kernel frees when its holder dies."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from monitor.errors import AlreadyRunning, StateError
from monitor.store.place import network_file_system

log = logging.getLogger(__name__)

LOCK_NAME = "newswatch.lock"
PID_NAME = "newswatch.pid"


class StateLock:
    """Holds a state directory; release it, or leave the ``with`` block.

    The holder's PID is written beside the lock for the message that a second instance prints; it
    decides nothing.
    """

    def __init__(self, state_dir: Path) -> None:
        self._dir = state_dir
        self._lock = FileLock(state_dir / LOCK_NAME, timeout=0, mode=0o600)

    def acquire(self) -> StateLock:
        """Take the lock at once or not at all.

        Raises:
            AlreadyRunning: another process holds it.
            StateError: the directory can't be written.
        """
        try:
            self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire()
            self._write_pid()
            self._warn_of_a_network()
        except Timeout as error:
            holder = self._holder()
            who = f"process {holder}" if holder else "another process"
            raise AlreadyRunning(
                f"{self._dir}: {who} is already running with this state directory; stop it first, "
                "or set `state:` to another folder"
            ) from error
        except OSError as error:
            self._lock.release()
            raise StateError(
                f"{self._dir}: can't use the state directory ({error.strerror or error}); make it "
                "writable for this user, or set `state:` to another folder"
            ) from error
        return self

    def release(self) -> None:
        """Give the lock back; harmless when it isn't held."""
        if self._lock.is_locked:
            (self._dir / PID_NAME).unlink(missing_ok=True)
        self._lock.release()

    def _write_pid(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(self._dir / PID_NAME, flags, 0o600)
        try:
            os.write(handle, f"{os.getpid()}\n".encode())
        finally:
            os.close(handle)

    def _warn_of_a_network(self) -> None:
        if kind := network_file_system(self._dir):
            log.warning(
                f"{self._dir} lies on a network file system ({kind}), where neither the lock nor "
                "the database's journal is safe: set `state:` to a local folder, or to "
                "postgresql://…"
            )

    def _holder(self) -> int | None:
        try:
            return int((self._dir / PID_NAME).read_text("ascii"))
        except (OSError, ValueError):
            return None

    def __enter__(self) -> StateLock:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
