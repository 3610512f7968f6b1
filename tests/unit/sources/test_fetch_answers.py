"""What an answer's headers say about when to ask again."""

from __future__ import annotations

import re
import tokenize
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import monitor
from monitor.sources.answers import FRESH_MAX, RETRY_AFTER_MAX, fresh_until, retry_after
from monitor.sources.credentials import feed_headers
from monitor.values import Feed

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SLOW_CLOCK = {"date": "Tue, 24 Nov 2026 10:00:00 GMT"}  # the server's clock is two hours behind

RETRY = [
    ("HTTP-17", {"retry-after": "3600"}, HOUR),
    ("HTTP-18", {"retry-after": "Tue, 24 Nov 2026 13:00:00 GMT"}, HOUR),
    (
        "HTTP-18 relative to Date",
        {"retry-after": "Tue, 24 Nov 2026 13:00:00 GMT", **SLOW_CLOCK},
        3 * HOUR,
    ),
    ("HTTP-19 absurd", {"retry-after": "1000000000000"}, RETRY_AFTER_MAX),
    ("HTTP-19 longer still", {"retry-after": "9" * 18}, RETRY_AFTER_MAX),
    ("HTTP-19 negative", {"retry-after": "-5"}, None),
    ("HTTP-19 words", {"retry-after": "xyz"}, None),
    ("HTTP-19 too many digits", {"retry-after": "9" * 400}, None),
    ("HTTP-19 past date", {"retry-after": "Tue, 24 Nov 2020 13:00:00 GMT"}, None),
    ("HTTP-19 far date", {"retry-after": "Tue, 24 Nov 9999 13:00:00 GMT"}, RETRY_AFTER_MAX),
    ("HTTP-19 impossible date", {"retry-after": "Tue, 99 Foo 2026 99:99:99 GMT"}, None),
    ("zero", {"retry-after": "0"}, timedelta(0)),
    ("absent", {}, None),
    ("fraction", {"retry-after": "1.5"}, None),
]

FRESH = [
    ("HTTP-20", {"cache-control": "max-age=43200"}, 12 * HOUR),
    ("HTTP-21", {"cache-control": f"max-age={2**63}"}, FRESH_MAX),
    ("less the age", {"cache-control": "public, max-age=7200", "age": "3600"}, HOUR),
    ("older than fresh", {"cache-control": "max-age=10", "age": "20"}, None),
    ("quoted", {"cache-control": 'max-age="3600"'}, HOUR),
    ("other directives", {"cache-control": "private,Max-Age=3600,s-maxage=9"}, HOUR),
    ("s-maxage is for shared caches", {"cache-control": "s-maxage=3600"}, None),
    ("no-cache", {"cache-control": "no-cache, max-age=3600"}, None),
    ("no-store", {"cache-control": "no-store", "expires": "Tue, 24 Nov 2026 13:00:00 GMT"}, None),
    ("Expires", {"expires": "Tue, 24 Nov 2026 13:00:00 GMT"}, HOUR),
    ("Expires by Date", {"expires": "Tue, 24 Nov 2026 13:00:00 GMT", **SLOW_CLOCK}, 3 * HOUR),
    (
        "max-age goes first",
        {"cache-control": "max-age=60", "expires": "Tue, 24 Nov 2026 13:00:00 GMT"},
        timedelta(minutes=1),
    ),
    ("Expires: 0", {"expires": "0"}, None),
    ("garbage", {"cache-control": "max-age=soon", "expires": "soon"}, None),
    ("absent", {}, None),
]


@pytest.mark.parametrize(("headers", "wait"), [c[1:] for c in RETRY], ids=[c[0] for c in RETRY])
def test_retry_after(headers: dict[str, str], wait: timedelta | None) -> None:
    assert retry_after(headers, NOW) == (None if wait is None else NOW + wait)


@pytest.mark.parametrize(("headers", "wait"), [c[1:] for c in FRESH], ids=[c[0] for c in FRESH])
def test_fresh_until(headers: dict[str, str], wait: timedelta | None) -> None:
    assert fresh_until(headers, NOW) == (None if wait is None else NOW + wait)


# (origin, asked now, are the feed's own headers sent)
TRUST = [
    ("https://a.example/f", "https://a.example/g", True),
    ("https://a.example/f", "https://a.example:443/g", True),
    ("https://a.example/f", "https://b.example/f", False),
    ("https://a.example/f", "https://sub.a.example/f", False),
    ("https://a.example/f", "http://a.example/f", False),
    ("https://a.example/f", "https://a.example:8443/f", False),
    ("http://a.example/f", "https://a.example/f", True),
    ("http://a.example:81/f", "https://a.example/f", False),
    ("http://a.example/f", "http://A.example/f", True),
]


@pytest.mark.parametrize(("origin", "here", "sent"), TRUST)
def test_secrets_go_to_their_own_host_only(origin: str, here: str, sent: bool) -> None:
    feed = Feed(
        key=origin, url=origin, name="x", headers=(("X-Api-Key", "k"),), basic_auth=("u", "p")
    )
    found = feed_headers(feed, urlsplit(origin), urlsplit(here))
    assert bool(found) is sent
    assert repr(feed).count("'k'") == 0


def test_ssrf_71_every_fetch_goes_through_one_gate() -> None:
    """Nothing but the fetcher's modules dials; delivery does, to addresses of the operator's."""
    root = Path(monitor.__file__).parent
    client = re.compile(
        r"\b(httpx|httpcore|httptools|urllib3|urllib\.request|http\.client|ClientSession"
        r"|import requests|open_connection|create_connection)\b"
    )
    dialling = {
        inside
        for path in root.rglob("*.py")
        if not (inside := path.relative_to(root).as_posix()).startswith("delivery/")
        and client.search("".join(token for token in _code(path)).replace(". ", "."))
    }
    modules = ("exchange", "faults", "http1", "transport", "wire")
    assert dialling == {f"sources/{module}.py" for module in modules}


def _code(path: Path) -> list[str]:
    """Return a module's source without strings and comments, a line at a time."""
    with path.open("rb") as source:
        tokens = list(tokenize.tokenize(source.readline))
    skipped = (tokenize.COMMENT, tokenize.STRING, tokenize.ENCODING)
    return [
        token.string if token.string == "." else f" {token.string}"
        for token in tokens
        if token.type not in skipped
    ]
