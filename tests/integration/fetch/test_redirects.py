"""Redirects: each hop vetted, bounded, and only permanent ones reported as moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from monitor.config.models import NetworkSettings
from monitor.sources.resolve import Resolver
from tests.feedserver import Answer, FeedServer, redirect, rss
from tests.integration.fetch.conftest import LOOPBACK, Fetch, FetchAll, a_feed


@pytest.fixture
def inside() -> Iterator[FeedServer]:
    """A server on an address that is not allowed; it must never be asked."""
    with FeedServer(host="127.0.0.2") as running:
        running.script("/feed", Answer(rss([("secret", "Secret")])))
        yield running


TARGETS = [
    ("SSRF-57", "http://127.0.0.2:{port}/feed", "refused_address"),
    ("SSRF-58", "http://[::1]:{port}/feed", "refused_address"),
    ("SSRF-59", "file:///etc/passwd", "bad_scheme"),
    ("SSRF-60", "gopher://127.0.0.1:6379/_INFO", "bad_scheme"),
    ("SSRF-61", "http://169.254.169.254/", "refused_address"),
    ("SSRF-62", "//127.0.0.2:{port}/x", "refused_address"),
    ("SSRF-63", "http://2130706434:{port}/", "refused_address"),
    ("SSRF-64", "http://[::ffff:127.0.0.2]:{port}/", "refused_address"),
    ("SSRF-65", "javascript:alert(1)", "bad_scheme"),
    ("SSRF-66", "http://a:b@127.0.0.1:{port}/", "bad_url"),
    ("unreadable", "http://[::/", "bad_redirect"),
    ("blank", "http://127.0.0.1:{port}/a b\\c", "bad_url"),
]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("target", "reason"), [c[1:] for c in TARGETS], ids=[c[0] for c in TARGETS]
)
def test_a_hop_that_leads_inside_is_refused(
    server: FeedServer, inside: FeedServer, fetch_own: Fetch, target: str, reason: str, status: int
) -> None:
    url = server.script("/feed", redirect(target.format(port=inside.port), status))
    outcome = fetch_own(url)
    assert (outcome.status, outcome.reason) == ("failed", reason), outcome.message
    assert inside.requests == []
    assert len(server.requests) == 1


def test_the_stock_transport_refuses_as_well(
    server: FeedServer, inside: FeedServer, fetch: Fetch
) -> None:
    outcome = fetch(server.script("/feed", redirect(inside.url())))
    assert (outcome.status, outcome.reason) == ("failed", "refused_address")
    assert fetch(inside.url()).reason == "refused_address"
    assert inside.requests == []


@pytest.mark.parametrize(
    ("status", "name", "value"),
    [
        (200, "Refresh", "0; url={}"),
        (200, "Location", "{}"),
        (201, "Content-Location", "{}"),
        (300, "Location", "{}"),
        (304, "Location", "{}"),
        (305, "Location", "{}"),
        (306, "Location", "{}"),
        (200, "Link", '<{}>; rel="self"'),
    ],
)
def test_what_is_no_redirect_is_not_followed(
    server: FeedServer, inside: FeedServer, fetch: Fetch, status: int, name: str, value: str
) -> None:
    answer = Answer(rss(), status=status, headers=((name, value.format(inside.url())),))
    fetch(server.script("/feed", answer))
    assert len(server.requests) == 1
    assert inside.requests == []


class Rebinding(Resolver):
    """Answers with an allowed address first, and with another one ever after."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def look_up(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return ["127.0.0.1"] if self.asked == 1 else ["127.0.0.2"]


def test_ssrf_55_only_the_vetted_address_is_dialled(fetch: Fetch) -> None:
    with FeedServer() as public, FeedServer(host="127.0.0.2", port=public.port) as inside:
        public.script("/feed", Answer(rss()))
        inside.script("/feed", Answer(rss([("secret", "SECRET")])))
        names = Rebinding()
        outcome = fetch(f"http://rebind.example:{public.port}/feed", resolver=names)
        assert outcome.status == "ok"
        assert b"SECRET" not in outcome.body
        assert names.asked == 1  # one look-up a dial
        again = Rebinding()
        again.asked = 1
        refused = fetch(f"http://rebind.example:{public.port}/feed", resolver=again)
        assert refused.reason == "refused_address"
        assert inside.requests == []


def test_http_10_a_loop_ends_after_five_redirects(server: FeedServer, fetch: Fetch) -> None:
    outcome = fetch(server.script("/feed", redirect("/feed", 301)))
    assert (outcome.status, outcome.reason) == ("failed", "redirects")
    assert len(server.requests) == 6
    assert outcome.permanent_redirect is None


CHAINS = [
    ("301", [301], True),
    ("308", [308], True),
    ("301, 308", [301, 308], True),
    ("302", [302], False),
    ("307", [307], False),
    ("303", [303], False),
]


@pytest.mark.parametrize(("statuses", "moved"), [c[1:] for c in CHAINS], ids=[c[0] for c in CHAINS])
def test_http_11_12_where_a_chain_leads(
    server: FeedServer, fetch_own: Fetch, statuses: list[int], moved: bool
) -> None:
    for number, status in enumerate(statuses):
        server.script(f"/{number}", redirect(f"/{number + 1}", status))
    end = server.script(f"/{len(statuses)}", Answer(rss()))
    outcome = fetch_own(server.url("/0"))
    assert (outcome.status, outcome.url) == ("ok", end)
    assert outcome.permanent_redirect == (end if moved else None)


def test_only_the_unbroken_run_of_permanent_hops_is_a_move(
    server: FeedServer, fetch_own: Fetch
) -> None:
    server.script("/a", redirect("/b", 301))
    server.script("/b", redirect("/c", 302))
    server.script("/c", redirect("/d", 301))
    server.script("/d", Answer(rss()))
    assert fetch_own(server.url("/a")).permanent_redirect == server.url("/b")


def test_a_redirect_without_a_target_is_a_failure(server: FeedServer, fetch_own: Fetch) -> None:
    outcome = fetch_own(server.script("/feed", Answer(status=302)))
    assert (outcome.status, outcome.reason) == ("failed", "http_302")


def test_a_fragment_and_non_ascii_characters_in_a_target(server: FeedServer, fetch: Fetch) -> None:
    server.script("/feed", redirect("/flux-\u00c3\u00a9t\u00c3\u00a9?q=1#top"))
    server.script("/flux-%C3%A9t%C3%A9", Answer(rss()))
    assert fetch(server.url()).status == "ok"


def test_ssrf_69_secrets_stay_with_their_host(fetch_own: Fetch) -> None:
    with FeedServer() as first, FeedServer() as other:
        first.script("/feed", redirect("/here"))
        first.script("/here", redirect(other.url()))
        other.script("/feed", Answer(rss()))
        feed = replace(
            a_feed(first.url()),
            headers=(("Cookie", "sid=1"), ("X-Api-Key", "k")),
            basic_auth=("reader", "secret"),
        )
        assert fetch_own(first.url(), feed=feed).status == "ok"
        for request in first.requests:
            assert request.header("cookie") == "sid=1"
            assert request.header("x-api-key") == "k"
            assert request.header("authorization") == "Basic cmVhZGVyOnNlY3JldA=="
        assert len(first.requests) == 2
        for name in ("cookie", "x-api-key", "authorization"):
            assert other.requests[0].header(name) is None


ALLOW = [
    ("127.0.0.0/8", {"ok": 2}),
    ("127.0.0.2/32", {"ok": 1, "refused_address": 1}),
    ("10.1.2.0/24", {"refused_address": 2}),
]


@pytest.mark.parametrize(("allow", "expected"), ALLOW)
def test_ssrf_70_what_may_be_dialled_is_what_the_configuration_names(
    server: FeedServer,
    inside: FeedServer,
    fetch_all: FetchAll,
    allow: str,
    expected: dict[str, int],
) -> None:
    server.script("/feed", Answer(rss()))
    found: dict[str, int] = {}
    for outcome in fetch_all([server.url(), inside.url()], network=NetworkSettings(allow=[allow])):
        word = outcome.reason or outcome.status
        found[word] = found.get(word, 0) + 1
    assert found == expected


def test_ssrf_68_proxies_come_from_the_configuration_only(
    server: FeedServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(server.script("/feed", Answer(rss()))).status == "ok"


def test_ssrf_68_the_proxy_is_exempt_its_target_is_not(fetch_own: Fetch) -> None:
    with FeedServer(host="127.0.0.3") as proxy:
        proxy.script("/feed", Answer(rss()))
        network = NetworkSettings.model_validate(
            {"allow": [], "proxy": f"http://127.0.0.3:{proxy.port}"}
        )
        refused = fetch_own("http://10.0.0.1/feed", network=network)
        assert (refused.reason, proxy.requests) == ("refused_address", [])
        taken = fetch_own("http://news.invalid/feed", network=network)
        assert taken.status == "ok", taken.message
        assert proxy.requests[0].target == "http://news.invalid/feed"


def test_ssrf_42_files_come_from_beneath_the_configuration_only(fetch_own: Fetch) -> None:
    outcome = fetch_own("file:///etc/passwd", network=LOOPBACK)
    assert (outcome.status, outcome.reason) == ("failed", "refused_file")
