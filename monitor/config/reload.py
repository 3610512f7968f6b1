"""Taking a changed configuration: noticed cheaply, read once it has settled, refused once.

Pure of asyncio: the daemon asks ``check`` from time to time (and on SIGHUP).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from monitor.config.include import matching_files
from monitor.config.load import Loaded, load
from monitor.errors import ConfigError, Problem

# What identifies a file's state without reading it: size, time of change, inode.
Stamp = tuple[int, int, int] | None


class Reloader:
    """Watches a configuration and everything it includes.

    ``loaded`` is what runs now; without it the configuration is read once to know. A change counts
    when two checks in a row find the same bytes: an editor may be writing still. A configuration
    that lost all its feeds is refused unless ``allow_empty``.
    """

    def __init__(
        self,
        path: Path,
        env: Mapping[str, str],
        *,
        loaded: Loaded | None = None,
        allow_empty: bool = False,
    ) -> None:
        self._path = path
        self._env = env
        self._allow_empty = allow_empty
        self._loaded = loaded
        if loaded is None:
            try:
                self._loaded = load(path, env)
            except ConfigError:
                self._loaded = None
        self._suspects: list[Path] = []
        self._stamps = self._look()
        self._digest = self._read()
        self._settling: str | None = None
        self.broken: ConfigError | None = None

    def check(self) -> Loaded | None:
        """Return a changed configuration, None where there is nothing new.

        Raises ``ConfigError`` once for each broken state; ``broken`` holds it until it is mended.
        """
        stamps = self._look()
        if stamps == self._stamps and self._settling is None:
            return None
        self._stamps = stamps
        digest = self._read()
        if digest == self._digest:
            self._settling = None  # touched, or put back as it was
            return None
        if digest != self._settling:
            self._settling = digest
            return None
        self._settling = None
        self._digest = digest
        return self._take()

    def _take(self) -> Loaded | None:
        previous = self._loaded
        try:
            fresh = load(self._path, self._env)
            if previous is not None and previous.settings.feeds and not fresh.settings.feeds:
                self._refuse_empty(fresh)
        except ConfigError as error:
            again = self.broken is not None and self.broken.problems == error.problems
            self.broken = error
            # A file that only the broken configuration includes is where the mending happens.
            places = [problem.place for problem in error.problems if problem.place]
            self._suspects = [Path(place.file) for place in places]
            self._stamps, self._digest = self._look(), self._read()
            if again:
                return None
            raise
        mended = self.broken is not None
        self.broken = None
        self._suspects = []
        self._loaded = fresh
        self._stamps, self._digest = self._look(), self._read()
        if previous is not None and fresh.digest == previous.digest and not mended:
            return None
        return fresh

    def _refuse_empty(self, fresh: Loaded) -> None:
        if self._allow_empty:
            return
        raise ConfigError(
            [
                Problem(
                    "the configuration has no feeds any more",
                    fresh.positions.key_place(("feeds",)),
                    "if that is meant, restart",
                )
            ]
        )

    def _files(self) -> list[Path]:
        """Return what to look at: known files, and those the patterns of now would add."""
        files = [self._path, *self._suspects]
        if self._loaded is not None:
            files += [*self._loaded.files, *self._loaded.secret_files]
            for pattern in self._loaded.settings.include:
                try:
                    files += matching_files(self._path.parent, pattern)
                except (ValueError, OSError):
                    continue
        return list(dict.fromkeys(files))

    def _look(self) -> dict[Path, Stamp]:
        return {file: _stamp(file) for file in self._files()}

    def _read(self) -> str:
        total = hashlib.sha256()
        for file in self._files():
            try:
                raw = file.read_bytes()
            except OSError as error:
                raw = type(error).__name__.encode()
            total.update(f"{file}\n".encode("utf-8", "surrogateescape"))
            total.update(hashlib.sha256(raw).digest())
        return total.hexdigest()


def _stamp(file: Path) -> Stamp:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
