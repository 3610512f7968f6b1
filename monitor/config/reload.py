"""Taking a changed configuration: noticed cheaply, read once it has settled, refused once.

Pure of asyncio: the daemon asks ``check`` from time to time (and on SIGHUP).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor.config.include import matching_files
from monitor.config.load import Loaded, load
from monitor.errors import ConfigError, Problem

# What identifies a file's state without reading it: size, time of change, inode.
Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What is remembered of a configuration: not its rules, of which there may be many."""

    digest: str
    has_feeds: bool
    files: tuple[Path, ...]
    include: tuple[str, ...]

    @classmethod
    def of(cls, loaded: Loaded) -> _Known:
        settings = loaded.settings
        files = (*loaded.files, *loaded.secret_files)
        return cls(loaded.digest, bool(settings.feeds), files, tuple(settings.include))


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
        if loaded is None:
            with contextlib.suppress(ConfigError):
                loaded = load(path, env)
        self._known = None if loaded is None else _Known.of(loaded)
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
        previous = self._known
        try:
            fresh = load(self._path, self._env)
            if previous is not None and previous.has_feeds and not fresh.settings.feeds:
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
        self._known = _Known.of(fresh)
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
        if self._known is not None:
            files += self._known.files
            for pattern in self._known.include:
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
