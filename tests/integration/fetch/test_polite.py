"""Politeness as a server sees it: what is asked, how, and how often at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor import __version__
from monitor.config.models import NetworkSettings
from monitor.sources.outcome import FetchLimits
from monitor.sources.resolve import Resolver
from monitor.sources.slots import SlotLimits
from monitor.store.port import Validators
from tests.feedserver import Answer, FeedServer, rss
from tests.integration.fetch.conftest import Fetch, FetchAll, a_feed

VALIDATORS = [
    ("both", '"abc"', "Mon, 23 Nov 2026 10:00:00 GMT"),
    ("weak", 'W/"a b"', None),
    ("unquoted", "abc-gzip", None),
    ("odd date", None, "yesterday, about noon"),
    ("other zone", '""', "Mon, 23 Nov 2026 10:00:00 +0200"),
    ("latin-1", '"\u00e9t\u00e9"', None),
    ("utf-8 bytes", '"\u00c3\u00a9"', None),
]


@pytest.mark.parametrize(
    ("etag", "date"), [c[1:] for c in VALIDATORS], ids=[c[0] for c in VALIDATORS]
)
def test_polite_01_02_validators_come_back_byte_for_byte(
    server: FeedServer, fetch: Fetch, etag: str | None, date: str | None
) -> None:
    url = server.script("/feed", Answer(rss(), etag=etag, last_modified=date))
    first = fetch(url)
    assert (first.status, first.validators.etag, first.validators.last_modified) == (
        "ok",
        etag,
        date,
    )
    second = fetch(url, first.validators)
    assert second.status == "not_modified"
    assert second.validators == first.validators
    asked = server.requests[1]
    assert asked.header("if-none-match") == etag
    assert asked.header("if-modified-since") == date
    assert server.requests[0].header("if-none-match") is None
    assert server.requests[0].header("if-modified-since") is None


def test_a_changed_body_brings_new_validators(server: FeedServer, fetch: Fetch) -> None:
    url = server.script(
        "/feed", Answer(rss(), etag='"1"'), Answer(rss([("2", "Another")]), etag='"2"')
    )
    first = fetch(url)
    second = fetch(url, first.validators)
    assert (second.status, second.validators.etag) == ("ok", '"2"')
    assert second.validators.body_hash != first.validators.body_hash


def test_the_same_body_is_known_without_validators(server: FeedServer, fetch: Fetch) -> None:
    url = server.script("/feed", Answer(rss(), gzipped=True))
    first = fetch(url)
    second = fetch(url, first.validators)
    assert (second.status, second.body) == ("same_body", b"")
    assert second.wire_bytes > 0


def test_polite_08_09_10_11_what_a_request_carries(server: FeedServer, fetch: Fetch) -> None:
    url = server.script("/feed?x=1", Answer(rss(), headers=(("Set-Cookie", "id=1; Path=/"),)))
    server.script("/feed", Answer(rss(), headers=(("Set-Cookie", "id=1; Path=/"),)))
    contact = NetworkSettings(allow=["127.0.0.1"], contact="https://example.org/bot")
    first = fetch(url, network=contact)
    fetch(url, first.validators, network=contact)
    for request in server.requests:
        names = [name.lower() for name, _ in request.headers]
        assert len(names) == len(set(names))
        assert request.target == "/feed?x=1"
        assert not {"cookie", "referer", "pragma", "cache-control"} & set(names)
        assert request.header("host") == f"127.0.0.1:{server.port}"
        agent = request.header("user-agent")
        assert agent == f"newswatch/{__version__} (+https://example.org/bot)"
        assert (request.header("accept-encoding") or "").startswith("gzip")


def test_polite_10_the_user_agent_can_be_set_for_a_feed(server: FeedServer, fetch: Fetch) -> None:
    url = server.script("/feed", Answer(rss()))
    fetch(url, feed=replace(a_feed(url), user_agent="Mozilla/5.0"))
    fetch(url, feed=replace(a_feed(url), headers=(("user-agent", "other"),)))
    assert [r.header("user-agent") for r in server.requests] == ["Mozilla/5.0", "other"]


def test_polite_14_a_delta_is_taken_as_a_body(server: FeedServer, fetch: Fetch) -> None:
    """RFC 3229: asked for along with an ETag only; 226 brings the new entries alone."""
    delta = Answer(rss([("2", "New")]), status=226, etag='"2"', headers=(("IM", "feed"),))
    url = server.script("/feed", Answer(rss(), etag='"1"'), delta)
    first = fetch(url)
    second = fetch(url, first.validators)
    assert server.requests[0].header("a-im") is None
    assert server.requests[1].header("a-im") == "feed"
    assert (second.status, second.http_status, second.validators.etag) == ("ok", 226, '"2"')


def test_a_226_that_was_not_asked_for_is_refused(server: FeedServer, fetch: Fetch) -> None:
    outcome = fetch(server.script("/feed", Answer(rss(), status=226)))
    assert (outcome.status, outcome.reason) == ("failed", "http_226")


def test_polite_13_one_host_is_asked_two_at_a_time(server: FeedServer, fetch_all: FetchAll) -> None:
    urls = [server.script(f"/{n}", Answer(rss(), delay=0.02)) for n in range(60)]
    slots = SlotLimits(burst=1000, per_second=1000.0)
    outcomes = fetch_all(urls, limits=FetchLimits(slots=slots))
    assert {outcome.status for outcome in outcomes} == {"ok"}
    assert server.peak == 2


class Here(Resolver):
    """Every name leads to this machine."""

    def look_up(self, host: str, port: int) -> list[str]:
        return ["127.0.0.1"]


def test_polite_13_one_host_is_asked_at_a_bounded_rate(
    server: FeedServer, fetch_all: FetchAll
) -> None:
    for n in range(30):
        server.script(f"/{n}", Answer(rss()))
    urls = [f"http://news.example:{server.port}/{n}" for n in range(30)]
    slots = SlotLimits(burst=5, per_second=50.0)
    outcomes = fetch_all(urls, limits=FetchLimits(slots=slots), resolver=Here())
    assert {outcome.status for outcome in outcomes} == {"ok"}
    times = sorted(request.at for request in server.requests)
    # 25 requests beyond the burst at 50 a second take half a second, whatever the machine's load
    assert times[-1] - times[0] >= 0.45


def test_polite_07_hosts_are_asked_in_turns_not_all_at_once(fetch_all: FetchAll) -> None:
    """A thousand feeds due at once on many hosts: the whole program has its own limit."""
    servers = [FeedServer(host=f"127.0.9.{n}") for n in range(1, 9)]
    for running in servers:
        running.__enter__()
    try:
        urls = [
            running.script(f"/{n}", Answer(rss(), delay=0.01))
            for running in servers
            for n in range(20)
        ]
        outcomes = fetch_all(
            urls,
            network=NetworkSettings(allow=["127.0.9.0/24"]),
            limits=FetchLimits(slots=SlotLimits(total=6)),
        )
        assert {outcome.status for outcome in outcomes} == {"ok"}
        assert max(running.peak for running in servers) <= 2
    finally:
        for running in servers:
            running.__exit__(None, None, None)


def test_a_connection_is_kept_while_others_wait_for_its_host(
    server: FeedServer, fetch_all: FetchAll
) -> None:
    urls = [server.script(f"/{n}", Answer(rss())) for n in range(20)]
    assert {outcome.status for outcome in fetch_all(urls)} == {"ok"}
    assert len({request.peer for request in server.requests}) < len(server.requests) / 2
    last = max(server.requests, key=lambda request: request.at)
    assert last.header("connection") == "close"


def test_a_lone_fetch_closes_its_connection(server: FeedServer, fetch: Fetch) -> None:
    fetch(server.script("/feed", Answer(rss())))
    assert server.requests[0].header("connection") == "close"


def test_cookies_can_be_given_as_a_browser_exports_them(
    server: FeedServer, fetch_own: Fetch
) -> None:
    jar = (
        "# Netscape HTTP Cookie File\n"
        "127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\tabc\n"
        "#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t0\tpaid\tyes\n"
        ".example.org\tTRUE\t/\tFALSE\t0\tother\tno\n"
        "127.0.0.1\tFALSE\t/\tTRUE\t0\tsecure\tno\n"
    )
    url = server.script("/feed", Answer(rss()))
    fetch_own(url, feed=replace(a_feed(url), headers=(("Cookie", jar),)))
    assert server.requests[0].header("cookie") == "sid=abc; paid=yes"


def test_polite_05_no_validators_after_a_failure(server: FeedServer, fetch: Fetch) -> None:
    url = server.script("/feed", Answer("gone", 500, etag='"error"'))
    kept = Validators(etag='"good"')
    assert fetch(url, kept).validators == kept
