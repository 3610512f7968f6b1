"""TLS: names and certificates are verified on the address that was vetted, always."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from monitor.clock import SystemClock
from monitor.config.models import NetworkSettings
from monitor.sources.fetch import Fetcher
from monitor.sources.resolve import Resolver
from monitor.sources.tls import ResumingContext, shared_ssl_context
from tests.feedserver import Answer, FeedServer, redirect, rss
from tests.integration.fetch.conftest import QUICK, Fetch, a_feed


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """The test authority in the place of the machine's own."""
    store = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(store)
    monkeypatch.setenv("SSL_CERT_FILE", str(store))
    return authority


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


class Here(Resolver):
    """Every name leads to this machine."""

    def look_up(self, host: str, port: int) -> list[str]:
        return ["127.0.0.1"]


@pytest.fixture
def secure(trusted: trustme.CA) -> Iterator[FeedServer]:
    with FeedServer(tls=server_context(trusted.issue_cert("news.example"))) as running:
        running.script("/feed", Answer(rss()))
        yield running


def test_ssrf_67_the_name_is_checked_though_the_address_is_dialled(
    secure: FeedServer, fetch: Fetch
) -> None:
    names: list[str | None] = []
    assert secure.tls is not None
    secure.tls.sni_callback = lambda _socket, name, _context: names.append(name)
    right = fetch(f"https://news.example:{secure.port}/feed", resolver=Here())
    wrong = fetch(f"https://other.example:{secure.port}/feed", resolver=Here())
    assert right.status == "ok", right.message
    assert (wrong.status, wrong.reason) == ("failed", "tls")
    assert names == ["news.example", "other.example"]
    assert [r.header("host") for r in secure.requests] == [f"news.example:{secure.port}"]


def test_http_22_an_address_without_a_name_in_the_certificate_is_refused(
    secure: FeedServer, fetch: Fetch
) -> None:
    outcome = fetch(secure.url())
    assert (outcome.status, outcome.reason) == ("failed", "tls")
    assert secure.requests == []


def _old_tls(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = server_context(certificate)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = ssl.TLSVersion.TLSv1
    return context


def _wants_client(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = server_context(certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=trustme.CA().cert_pem.bytes().decode())
    return context


@pytest.mark.parametrize("case", ["expired", "self-signed", "TLS 1.0", "client certificate"])
def test_http_23_it_is_never_fetched_insecurely(
    trusted: trustme.CA, fetch: Fetch, case: str
) -> None:
    good = trusted.issue_cert("127.0.0.1")
    past = datetime.now(UTC) - timedelta(days=1)
    contexts = {
        "expired": lambda: server_context(trusted.issue_cert("127.0.0.1", not_after=past)),
        "self-signed": lambda: server_context(trustme.CA().issue_cert("127.0.0.1")),
        "TLS 1.0": lambda: _old_tls(good),
        "client certificate": lambda: _wants_client(good),
    }
    with FeedServer(tls=contexts[case]()) as running:
        running.script("/feed", Answer(rss()))
        outcome = fetch(running.url())
        assert outcome.status == "failed"
        assert outcome.reason in ("tls", "connect", "connection_lost"), outcome.message
        assert running.requests == []


def test_http_13_a_step_down_to_http_is_refused_unless_allowed(
    trusted: trustme.CA, fetch_own: Fetch
) -> None:
    certificate = server_context(trusted.issue_cert("127.0.0.1"))
    with FeedServer() as plain, FeedServer(tls=certificate) as secure:
        plain.script("/feed", Answer(rss()))
        secure.script("/feed", redirect(plain.url()))
        refused = fetch_own(secure.url())
        assert (refused.status, refused.reason) == ("failed", "downgrade")
        assert plain.requests == []
        allowed = NetworkSettings(allow=["127.0.0.1"], allow_downgrade=True)
        assert fetch_own(secure.url(), network=allowed).status == "ok"


def test_a_step_up_to_https_is_followed(trusted: trustme.CA, fetch: Fetch) -> None:
    certificate = server_context(trusted.issue_cert("127.0.0.1"))
    with FeedServer() as plain, FeedServer(tls=certificate) as secure:
        secure.script("/feed", Answer(rss()))
        plain.script("/feed", redirect(secure.url(), 301))
        outcome = fetch(plain.url())
        assert (outcome.status, outcome.permanent_redirect) == ("ok", secure.url())


def test_http_09_http_1_is_what_is_offered(trusted: trustme.CA, fetch: Fetch) -> None:
    context = server_context(trusted.issue_cert("127.0.0.1"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with FeedServer(tls=context) as running:
        running.script("/feed", Answer(rss()))
        assert fetch(running.url()).status == "ok"
        assert running.requests[0].alpn == "http/1.1"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_and_the_name_still_holds(
    trusted: trustme.CA, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    context = server_context(trusted.issue_cert("news.example"))
    context.maximum_version = version
    with FeedServer(tls=context) as running:
        running.script("/feed", Answer(rss()))

        async def poll() -> list[str]:
            network = NetworkSettings(allow=["127.0.0.1"])
            fetcher = Fetcher(
                network, SystemClock(), config_dir=tmp_path, limits=QUICK, resolver=Here()
            )
            hosts = ["news.example", "news.example", "other.example"]
            try:
                return [
                    (await fetcher.fetch(a_feed(f"https://{host}:{running.port}/feed"))).status
                    for host in hosts
                ]
            finally:
                await fetcher.aclose()

        assert asyncio.run(poll()) == ["ok", "ok", "failed"]
        assert context.session_stats()["hits"] == 1


def test_the_context_verifies() -> None:
    context = shared_ssl_context()
    assert isinstance(context, ResumingContext)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
