"""Feeds that are files beneath the configuration."""

from __future__ import annotations

from pathlib import Path

from monitor.errors import FetchError
from monitor.sources.decode import too_large


def read_file(root: Path, path: Path, most: int) -> bytes:
    """Return the content of ``path``, which lies beneath ``root``, at most ``most`` bytes.

    Raises:
        FetchError: it lies elsewhere, isn't there, can't be read, or is empty or too large.
    """
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root):
            raise FetchError(
                f"{path} is outside the configuration's folder; put the file beneath it",
                "refused_file",
            )
        if not real.is_file():
            raise FetchError(f"{path} is not a file", "refused_file")
        with real.open("rb") as source:
            raw = source.read(most + 1)
    except FileNotFoundError as error:
        raise FetchError(f"{path} doesn't exist; check the path", "no_file") from error
    except OSError as error:
        raise FetchError(f"{path} can't be read ({error.strerror})", "no_file") from error
    if len(raw) > most:
        raise too_large(most)
    if not raw:
        raise FetchError(f"{path} is empty", "empty")
    return raw
