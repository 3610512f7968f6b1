"""Hostile servers: bombs, slowness, and answers that are not HTTP. Ids are the attack cases'."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from dataclasses import replace

import brotli  # type: ignore[import-untyped,unused-ignore]
import pytest
from backports import zstd

from monitor.config.models import NetworkSettings
from monitor.sources.outcome import FetchLimits
from monitor.sources.resolve import Resolver
from monitor.store.port import Validators
from tests.feedserver import Answer, FeedServer, rss
from tests.integration.fetch.conftest import QUICK, Fetch, FetchAll, a_feed

FEED = rss().encode()
HUGE = bytes(64 * 1024 * 1024)
NO_VALIDATORS = Validators()
OK = b"HTTP/1.1 200 OK\r\n"


def packed(body: bytes, encoding: str) -> Answer:
    return Answer(body, headers=(("Content-Encoding", encoding),), etag='"bomb"')


def endless(raw: bytes, pause: float = 0.0) -> Answer:
    return Answer(raw=raw, repeat_raw=True, pause=pause)


def chunked(body: bytes) -> bytes:
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + body


SMALL = FetchLimits(deadline=1.0, connect=0.5, wire=1_000_000, body=2_000_000)
SPECIAL = [  # (attack case, answer, reasons)
    ("BOMB-01", packed(gzip.compress(HUGE), "gzip"), {"bomb", "too_large"}),
    ("BOMB-02", packed(zlib.compress(HUGE), "deflate"), {"bomb", "too_large"}),
    ("BOMB-03", packed(zlib.compress(HUGE, wbits=-15), "deflate"), {"bomb", "too_large"}),
    ("BOMB-04", packed(brotli.compress(HUGE, quality=1), "br"), {"bomb", "too_large"}),
    ("BOMB-05", packed(zstd.compress(HUGE), "zstd"), {"bomb", "too_large"}),
    ("BOMB-06", packed(gzip.compress(bytes(1 << 20)) * 64, "gzip"), {"bomb", "too_large"}),
    ("BOMB-07", packed(gzip.compress(gzip.compress(HUGE)), "gzip, gzip"), {"unknown_encoding"}),
    ("BOMB-08", packed(FEED, ", ".join(["gzip"] * 50)), {"unknown_encoding"}),
    ("BOMB-09", packed(FEED, "exi"), {"unknown_encoding"}),
    ("BOMB-10", packed(FEED, "gzip"), {"bad_encoding"}),
    (
        "BOMB-11 gzip",
        Answer(gzip.compress(FEED)[:-4], etag='"cut"', headers=(("Content-Encoding", "gzip"),)),
        {"truncated"},
    ),
    ("BOMB-11 br", packed(brotli.compress(FEED)[:-4], "br"), {"truncated"}),
    ("BOMB-11 zstd", packed(zstd.compress(FEED)[:-4], "zstd"), {"truncated"}),
    ("BOMB-11 identity", Answer(FEED, cut=30, etag='"cut"'), {"truncated"}),
    ("BOMB-11 chunked", Answer(FEED, cut=30, chunked=True, etag='"cut"'), {"truncated"}),
    ("BOMB-13", Answer(bytes(3_000_000), chunked=True), {"too_large"}),
    ("BOMB-13 until close", Answer(raw=OK + b"\r\n" + bytes(3_000_000)), {"too_large"}),
    ("BOMB-14", Answer(b"abc", length=99_999_999_999), {"too_large"}),
    ("BOMB-14 overflow", Answer(b"abc", length=10**30), {"too_large", "bad_http"}),
    ("BOMB-16", Answer(raw=OK + (b"X-Filler: " + b"y" * 1000 + b"\r\n") * 1000), {"bad_http"}),
    ("BOMB-17", Answer(raw=OK + b"X-Filler: " + b"y" * 5_000_000), {"bad_http"}),
    (
        "BOMB-18",
        endless(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 0.02),
        {"timeout", "bad_http"},
    ),
    ("SLOW-01", Answer(FEED, chunk=1, pause=0.2), {"timeout"}),
    ("SLOW-02", endless(b"HTTP/1.1 200 OK\r\nX: y\r\n"[17:], 0.2), {"timeout", "bad_http"}),
    ("SLOW-03", Answer(hang=True), {"timeout"}),
    ("HTTP-01", Answer(FEED, cut=30, reset=True, etag='"cut"'), {"connection_lost", "truncated"}),
    ("HTTP-02", Answer(raw=b"\x00\xff\x00\r\n\r\n"), {"bad_http"}),
    ("HTTP-03", Answer(raw=FEED), {"bad_http"}),
    ("HTTP-04", Answer(raw=chunked(b"ZZZ\r\nabc\r\n0\r\n\r\n")), {"bad_http"}),
    ("HTTP-05", Answer(raw=chunked(b"FFFFFFFFFFFFFFFFF\r\nabc")), {"bad_http", "truncated"}),
    ("HTTP-05 short", Answer(raw=chunked(b"FFFFFFFFFFFFFFFF\r\nabc")), {"bad_http", "truncated"}),
    ("HTTP-08", Answer(raw=OK + b"X: a\0b\r\nContent-Length: 3\r\n\r\nabc"), {"bad_http"}),
    (
        "two lengths",
        Answer(raw=OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
        {"bad_http"},
    ),
    ("nothing", Answer(raw=b""), {"connection_lost", "bad_http"}),
    (
        "upgrade",
        Answer(raw=b"HTTP/1.1 101 X\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n"),
        {"bad_http", "timeout", "connection_lost", "http_101"},
    ),
    ("HTTP-27", Answer(b""), {"empty"}),
    ("HTTP-27 blank", Answer(b" \n "), {"empty"}),
    ("HTTP-07", Answer(raw=b"HTTP/1.1 204 No Content\r\n\r\n<rss/>"), {"empty"}),
    ("HTTP-25", Answer(status=304), {"http_304"}),
]


@pytest.mark.parametrize(
    ("answer", "reasons"), [c[1:] for c in SPECIAL], ids=[c[0] for c in SPECIAL]
)
def test_a_hostile_answer_is_one_clear_failure(
    server: FeedServer, fetch: Fetch, answer: Answer, reasons: set[str]
) -> None:
    outcome = fetch(server.script("/feed", answer), limits=SMALL)
    assert outcome.status == "failed"
    assert outcome.reason in reasons, (outcome.reason, outcome.message)
    assert outcome.message
    assert outcome.body == b""
    assert outcome.validators == NO_VALIDATORS  # nothing to make the next request conditional


TAKEN = [
    (
        "BOMB-15",
        Answer(raw=OK + b"Content-Length: 10\r\n\r\n" + b"<rss/>    " + b"x" * 100_000),
        b"<rss/>    ",
    ),
    (
        "HTTP-06",
        Answer(
            raw=OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"6\r\n<rss/>\r\n0\r\n\r\n"
        ),
        b"<rss/>",
    ),
    ("until close", Answer(raw=OK + b"\r\n<rss/>"), b"<rss/>"),
    ("HTTP/1.0", Answer(raw=b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\n<rss/>"), b"<rss/>"),
    (
        "interim",
        Answer(
            raw=b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            + OK
            + b"Content-Length: 6\r\n\r\n<rss/>"
        ),
        b"<rss/>",
    ),
    (
        "folded header",
        Answer(raw=OK + b"X: a\r\n  b\r\nContent-Length: 6\r\n\r\n<rss/>"),
        b"<rss/>",
    ),
    ("byte by byte", Answer(FEED, chunk=1), FEED),
    ("many chunks", Answer(FEED * 50, chunk=97, chunked=True), FEED * 50),
    ("gzip in chunks", Answer(FEED * 50, chunk=7, chunked=True, gzipped=True), FEED * 50),
    ("large", Answer(FEED[:100] * 15_000, gzipped=False), FEED[:100] * 15_000),
]


@pytest.mark.parametrize(("answer", "body"), [c[1:] for c in TAKEN], ids=[c[0] for c in TAKEN])
def test_an_unusual_answer_is_taken_whole(
    server: FeedServer, fetch: Fetch, answer: Answer, body: bytes
) -> None:
    outcome = fetch(server.script("/feed", answer), limits=FetchLimits(deadline=10.0, connect=0.5))
    assert (outcome.status, outcome.message) == ("ok", "")
    assert outcome.body == body


def test_http_26_a_304_with_a_body_has_none(server: FeedServer, fetch: Fetch) -> None:
    asked = Validators(etag='"a"')
    answer = Answer(raw=b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n<rss>stale</rss>')
    outcome = fetch(server.script("/feed", answer), asked)
    assert (outcome.status, outcome.body, outcome.validators) == ("not_modified", b"", asked)


def test_slow_04_a_black_hole_ends_at_the_connect_time_out(fetch: Fetch) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        # The backlog is filled, so that the next SYN is left unanswered.
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        outcome = fetch(f"http://127.0.0.1:{port}/", limits=FetchLimits(deadline=5, connect=0.3))
        for filler in fillers:
            filler.close()
    assert (outcome.status, outcome.reason) == ("failed", "timeout")


def test_slow_05_a_stalled_tls_handshake_ends(fetch: Fetch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outcome = fetch(f"https://127.0.0.1:{silent.getsockname()[1]}/", limits=QUICK)
    assert (outcome.status, outcome.reason) == ("failed", "timeout")


class SlowNames(Resolver):
    """A resolver whose names under ``slow.`` hang."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def look_up(self, host: str, port: int) -> list[str]:
        if host.startswith("slow"):
            self.release.wait(30)
        return ["127.0.0.1"]


def test_slow_06_a_hanging_name_ends_at_the_deadline(
    server: FeedServer, fetch_all: FetchAll
) -> None:
    names = SlowNames()
    server.script("/feed", Answer(FEED))
    urls = [f"http://{name}.example:{server.port}/feed" for name in ("slow1", "slow2", "quick")]
    slow, also_slow, quick = fetch_all(urls, limits=QUICK, resolver=names)
    names.release.set()
    assert {(o.status, o.reason) for o in (slow, also_slow)} == {("failed", "timeout")}
    assert quick.status == "ok"


def test_a_header_that_cannot_be_sent_is_refused(server: FeedServer, fetch_own: Fetch) -> None:
    url = server.script("/feed", Answer(FEED))
    feed = replace(a_feed(url), headers=(("X-Key", "a\r\nHost: b"),))
    outcome = fetch_own(url, feed=feed)
    assert (outcome.status, outcome.reason) == ("failed", "bad_header")
    assert server.requests == []


def test_a_fetch_ends_at_its_deadline_not_later(server: FeedServer, fetch: Fetch) -> None:
    """The whole of it: a redirect that dawdles leaves less for the next hop."""
    server.script("/slow", Answer(status=302, headers=(("Location", "/slower"),), delay=0.7))
    server.script("/slower", Answer(FEED, delay=0.7))
    started = time.monotonic()
    outcome = fetch(server.url("/slow"), limits=QUICK, network=NetworkSettings(allow=["127.0.0.1"]))
    assert (outcome.status, outcome.reason) == ("failed", "timeout")
    assert time.monotonic() - started < 5
