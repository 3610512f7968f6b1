"""Content encodings, decoded within bounds.

A body of 809 bytes can unfold to 512 MiB (measured, brotli), and general HTTP clients either
unfold it all or take a cut body for a whole one. Each decoder here stops at a size, a ratio, and
insists on the end mark of its format: a body cut short is an error, never a shorter feed.

Pure functions over bytes; nothing here knows of HTTP beyond the names of the encodings.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Protocol

import brotli  # type: ignore[import-untyped,unused-ignore]

from monitor.errors import BodyRefused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_STEP = 256 * 1024  # bytes decoded at a time: what a bomb may overshoot the bound by
_RATIO_FROM = 1024 * 1024  # decoded bytes below which no ratio is looked at
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class _Bound:
    """Collects decoded bytes and refuses more than ``limit`` or than ``ratio`` times the wire."""

    def __init__(self, wire: int, limit: int, ratio: int) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._limit = limit
        self._by_ratio = max(_RATIO_FROM, wire * ratio)
        self._wire = wire

    def add(self, part: bytes) -> None:
        if not part:
            return
        self._size += len(part)
        if self._size > self._limit:
            raise too_large(self._limit)
        if self._size > self._by_ratio:
            raise BodyRefused(
                f"The body unfolds to more than {self._size // max(self._wire, 1)} times its size "
                "on the wire, as no feed does; tell the publisher",
                "bomb",
            )
        self._parts.append(part)

    def body(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)


def too_large(limit: int) -> BodyRefused:
    """Return the error for a body of more than ``limit`` bytes."""
    return BodyRefused(
        f"The body is larger than {limit // (1024 * 1024)} MiB; "
        "ask the publisher for a shorter feed",
        "too_large",
    )


def truncated() -> BodyRefused:
    """Return the error for a body that ended before its end mark."""
    return BodyRefused(
        "The body was cut short on its way; nothing of it was used, it is fetched again",
        "truncated",
    )


def _corrupt(name: str) -> BodyRefused:
    return BodyRefused(
        f"The server says the body is {name}-compressed, but it can't be unpacked; "
        "tell the publisher",
        "bad_encoding",
    )


class _Zlib(Protocol):
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


def _inflate(decoder: _Zlib, data: bytes, bound: _Bound) -> bytes:
    """Run one zlib stream to its end; returns what follows it. Raises when there is no end."""
    while True:
        part = decoder.decompress(data, _STEP)
        bound.add(part)
        if decoder.eof:
            return decoder.unused_data
        data = decoder.unconsumed_tail
        if not data and len(part) < _STEP:
            raise truncated()


def _gzip(data: bytes, bound: _Bound) -> None:
    """RFC 1952: one or more members. What follows the last one (zero padding, a stray mark) is
    not part of it."""
    while True:
        try:
            data = _inflate(zlib.decompressobj(16 + zlib.MAX_WBITS), data, bound)
        except zlib.error as error:
            raise _corrupt("gzip") from error
        if not _GZIP_MAGIC.startswith(data[:2]) or not data:
            return


def _deflate(data: bytes, bound: _Bound) -> None:
    """RFC 9110 §8.4.1.2: zlib-wrapped; servers that send it bare are common enough to serve."""
    wrapped = len(data) >= 2 and data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
    try:
        _inflate(zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS), data, bound)
    except zlib.error as error:
        raise _corrupt("deflate") from error


def _brotli(data: bytes, bound: _Bound) -> None:
    """RFC 7932. ``can_accept_more_data`` is no stop condition: it is false while output waits."""
    decoder = brotli.Decompressor()
    try:
        part = decoder.process(data, output_buffer_limit=_STEP)
        bound.add(part)
        while not decoder.is_finished():
            part = decoder.process(b"", output_buffer_limit=_STEP)
            if not part and not decoder.is_finished():
                raise truncated()
            bound.add(part)
    except brotli.error as error:
        raise _corrupt("brotli") from error


def _zstd(data: bytes, bound: _Bound) -> None:
    """RFC 8878: one or more frames. Windows over 8 MiB are refused (RFC 9659)."""
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
    while data:
        decoder = zstd.ZstdDecompressor(options=options)
        try:
            bound.add(decoder.decompress(data, _STEP))
            while not decoder.eof:
                part = decoder.decompress(b"", _STEP)
                if not part and decoder.needs_input:
                    raise truncated()
                bound.add(part)
        except zstd.ZstdError as error:
            raise _corrupt("zstd") from error
        data = decoder.unused_data
        if not _ZSTD_MAGIC.startswith(data[:4]):
            return


_DECODERS: dict[str, Callable[[bytes, _Bound], None]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}

ACCEPT_ENCODING = "gzip, deflate, br, zstd"


def decode_body(raw: bytes, encoding: str | None, *, limit: int, ratio: int) -> bytes:
    """Return the body that ``raw`` stands for.

    ``encoding`` is the Content-Encoding header's value. The result has at most ``limit`` bytes
    and, beyond 1 MiB, at most ``ratio`` times the bytes of ``raw``.

    Raises ``BodyRefused`` with reason ``too_large``, ``bomb``, ``truncated``, ``bad_encoding`` or
    ``unknown_encoding`` (more than one encoding is refused too: no feed needs it, bombs do).
    """
    names = [name for name in (encoding or "").lower().replace(" ", "").split(",") if name]
    names = [name for name in names if name != "identity"]
    if not names:
        if len(raw) > limit:
            raise too_large(limit)
        return raw
    if len(names) > 1:
        raise BodyRefused(
            f"The body is compressed {len(names)} times over; tell the publisher",
            "unknown_encoding",
        )
    decoder = _DECODERS.get(names[0])
    if decoder is None:
        raise BodyRefused(
            f"The server sent an encoding that was not asked for ({names[0][:40]!r}); "
            "tell the publisher",
            "unknown_encoding",
        )
    if not raw:
        return b""
    bound = _Bound(len(raw), limit, ratio)
    decoder(raw, bound)
    return bound.body()
