"""Reads one file or address because somebody asked for it: through the guard, with its limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from monitor.clock import SystemClock
from monitor.config.models import NetworkSettings
from monitor.errors import FetchError
from monitor.sources.fetch import Fetcher
from monitor.values import Feed

_FILE_LIMIT = 20 * 1024 * 1024  # bytes; the same bound as for a fetched body


@dataclass(frozen=True, slots=True)
class Body:
    """What was read of one input; ``url`` is where it came from, None for a file."""

    data: bytes
    content_type: str | None = None
    url: str | None = None


class Reader:
    """Reads files and URLs; the network part starts with the first URL."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._allow = list(allow)
        self._fetcher: Fetcher | None = None

    async def read(self, source: str) -> Body:
        """Return the body of a file or URL; raises ``FetchError`` with the reason."""
        scheme = urlsplit(source).scheme.lower() if "://" in source else ""
        if scheme in ("http", "https"):
            return await self._fetch(source)
        if scheme not in ("", "file"):
            raise FetchError(f"{scheme}:// can't be read; give a file, or an http(s) address")
        path = Path(unquote(urlsplit(source).path)) if scheme else Path(source)
        return Body(_read_file(path))

    async def aclose(self) -> None:
        if self._fetcher is not None:
            await self._fetcher.aclose()

    async def _fetch(self, url: str) -> Body:
        if self._fetcher is None:
            self._fetcher = Fetcher(
                NetworkSettings(allow=self._allow), SystemClock(), config_dir=Path.cwd()
            )
        outcome = await self._fetcher.fetch(Feed(key=url, url=url, name=url))
        if outcome.status != "ok":
            raise FetchError(outcome.message, outcome.reason or "error")
        return Body(outcome.body, outcome.content_type, outcome.url)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as source:
            data = source.read(_FILE_LIMIT + 1)
    except OSError as error:
        raise FetchError(f"{path} can't be read: {error.strerror}", "no_file") from None
    except ValueError as error:  # a NUL in the path
        raise FetchError(f"{path!s} can't be read: {error}", "no_file") from None
    if len(data) > _FILE_LIMIT:
        raise FetchError(f"{path} is larger than {_FILE_LIMIT // 1024**2} MiB", "too_large")
    return data
