"""Content encodings within bounds: whole bodies come back equal, all others are refused."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped,unused-ignore]
import pytest
from backports import zstd

from monitor.errors import BodyRefused
from monitor.sources.decode import decode_body

MIB = 1024 * 1024


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def members(data: bytes) -> bytes:
    """gzip in three members, as servers that log-rotate or concatenate send it."""
    third = len(data) // 3 + 1
    return b"".join(gzip.compress(data[i : i + third]) for i in range(0, max(len(data), 1), third))


def frames(data: bytes) -> bytes:
    half = len(data) // 2
    return bytes(zstd.compress(data[:half]) + zstd.compress(data[half:]))


CODECS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip members": ("gzip", members),
    "x-gzip": ("X-GZip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", lambda data: bytes(brotli.compress(data, quality=4))),
    "zstd": ("zstd", lambda data: bytes(zstd.compress(data))),
    "zstd frames": ("zstd", frames),
    "identity": ("identity", bytes),
}


def decode(raw: bytes, encoding: str | None, limit: int = 20 * MIB, ratio: int = 200) -> bytes:
    return decode_body(raw, encoding, limit=limit, ratio=ratio)


def bodies(seed: int, count: int) -> list[bytes]:
    """Bodies from nothing to some hundred kB, from noise to long runs."""
    dice = random.Random(seed)
    made: list[bytes] = []
    for _ in range(count):
        size = int(10 ** dice.uniform(0, 4.7))
        words = [dice.randbytes(dice.randint(1, 9)) for _ in range(dice.choice([1, 5, 300]))]
        body = b"".join(dice.choices(words, k=size // 4 + 1))[:size]
        made.append(body or b"x")
    return made


@pytest.mark.parametrize("codec", CODECS)
def test_bomb_12_round_trips(codec: str) -> None:
    encoding, pack = CODECS[codec]
    for number, body in enumerate(bodies(12, 1200)):
        assert decode(pack(body), encoding, ratio=100_000) == body, f"body {number}"


@pytest.mark.parametrize("codec", [name for name in CODECS if name != "identity"])
def test_bomb_11_no_truncation_goes_unnoticed(codec: str) -> None:
    encoding, pack = CODECS[codec]
    dice = random.Random(11)
    for body in bodies(11, 50):
        packed = pack(body)
        cut = packed[: dice.randrange(1, len(packed))]
        if codec in ("gzip members", "zstd frames") and _ends_a_part(cut, encoding):
            continue  # whole members are a whole body: nothing marks the last one
        with pytest.raises(BodyRefused) as caught:
            decode(cut, encoding, ratio=100_000)
        assert caught.value.reason in ("truncated", "bad_encoding")


def _ends_a_part(cut: bytes, encoding: str) -> bool:
    try:
        if encoding == "gzip":
            gzip.decompress(cut)
        else:
            zstd.decompress(cut)
    except (EOFError, zstd.ZstdError, gzip.BadGzipFile, zlib.error):
        return False
    return True


def test_a_cut_in_a_second_member_is_noticed() -> None:
    whole = gzip.compress(b"first" * 100) + gzip.compress(b"second" * 100)
    first = len(gzip.compress(b"first" * 100))
    for end in range(first + 1, len(whole)):
        with pytest.raises(BodyRefused):
            decode(whole[:end], "gzip")


def test_padding_after_the_end_is_not_part_of_the_body() -> None:
    assert decode(gzip.compress(b"feed") + bytes(512), "gzip") == b"feed"


BOMB = bytes(64 * MIB)
BOMBS = [
    ("BOMB-01 gzip", "gzip", lambda: gzip.compress(BOMB)),
    ("BOMB-02 deflate", "deflate", lambda: zlib.compress(BOMB)),
    ("BOMB-03 raw deflate", "deflate", lambda: raw_deflate(BOMB)),
    ("BOMB-04 brotli", "br", lambda: brotli.compress(BOMB, quality=1)),
    ("BOMB-05 zstd", "zstd", lambda: zstd.compress(BOMB)),
    ("BOMB-06 members", "gzip", lambda: gzip.compress(bytes(MIB)) * 64),
]


@pytest.mark.parametrize(("encoding", "make"), [b[1:] for b in BOMBS], ids=[b[0] for b in BOMBS])
def test_a_bomb_is_refused(encoding: str, make: Callable[[], bytes]) -> None:
    with pytest.raises(BodyRefused) as caught:
        decode(make(), encoding)
    assert caught.value.reason in ("too_large", "bomb")


def test_bombs_take_no_more_memory_than_their_bound() -> None:
    """In a process of its own: 512 MiB in each format, and the peak of the resident set."""
    script = """
import resource, sys, zlib, brotli
from backports import zstd
from monitor.errors import BodyRefused
from monitor.sources.decode import decode_body
def stream(packer):
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(512)) + packer.flush()
class Brotli(brotli.Compressor):
    compress, flush = brotli.Compressor.process, brotli.Compressor.finish
bombs = [("gzip", stream(zlib.compressobj(wbits=31))), ("deflate", stream(zlib.compressobj())),
         ("br", stream(type("B", (), {"compress": (b := brotli.Compressor(quality=1)).process,
                                      "flush": b.finish}))),
         ("zstd", stream(zstd.ZstdCompressor()))]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, raw in bombs:
    try:
        decode_body(raw, name, limit=20 << 20, ratio=200)
        sys.exit(name + " was taken")
    except BodyRefused:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 32 * 1024  # kB


ENCODINGS = [
    ("BOMB-07 nested", gzip.compress(gzip.compress(b"x" * 100)), "gzip, gzip", "unknown_encoding"),
    ("BOMB-08 fifty", b"x", ", ".join(["gzip"] * 50), "unknown_encoding"),
    ("BOMB-09 unknown", b"x", "exi", "unknown_encoding"),
    ("BOMB-10 mislabelled gzip", b"<rss version='2.0'/>", "gzip", "bad_encoding"),
    ("mislabelled deflate", b"<rss version='2.0'/>", "deflate", "bad_encoding"),
    ("mislabelled br", b"<rss version='2.0'/>" * 9, "br", "bad_encoding"),
    ("mislabelled zstd", b"<rss version='2.0'/>", "zstd", "bad_encoding"),
    ("identity too large", b"x" * 101, None, "too_large"),
    ("gzip too large", gzip.compress(b"x" * 101), "gzip", "too_large"),
]


@pytest.mark.parametrize(
    ("raw", "encoding", "reason"), [c[1:] for c in ENCODINGS], ids=[c[0] for c in ENCODINGS]
)
def test_what_cannot_be_taken_has_a_reason(raw: bytes, encoding: str | None, reason: str) -> None:
    with pytest.raises(BodyRefused) as caught:
        decode(raw, encoding, limit=100)
    assert caught.value.reason == reason


@pytest.mark.parametrize("encoding", [None, "", "identity", "identity, identity", " "])
def test_no_encoding_leaves_the_body_alone(encoding: str | None) -> None:
    assert decode(b"\x1f\x8b plain", encoding) == b"\x1f\x8b plain"
