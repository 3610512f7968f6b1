"""Feeds: addresses that may be polled, names, files, authentication."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitor.config.load import feeds
from tests.unit.config.samples import loaded, refused, write

# The ids are those of the attack list; each is refused here and again at fetch time.
BAD = [
    ("SSRF-42", "file:///etc/passwd", "outside the configuration's folder"),
    ("SSRF-43", "gopher://127.0.0.1:6379/_INFO", "the scheme `gopher:` is not supported"),
    ("SSRF-44", "ftp://127.0.0.1/", "the scheme `ftp:` is not supported"),
    ("SSRF-45", "dict://127.0.0.1:11211/", "the scheme `dict:` is not supported"),
    ("SSRF-46", "data:text/plain,hi", "the scheme `data:` is not supported"),
    ("SSRF-47", "javascript:alert(1)", "the scheme `javascript:` is not supported"),
    ("SSRF-48", "jar:http://x!/", "the scheme `jar:` is not supported"),
    ("SSRF-49", "unix:///run/docker.sock", "the scheme `unix:` is not supported"),
    ("SSRF-50", "http://user:pw@127.0.0.1/", "a user name or password"),
    ("SSRF-51", "http://127.0.0.1\\@example.com/", "a backslash"),
    ("SSRF-52", "http:///etc/passwd", "without a host"),
    ("SSRF-54", "http://127.0.0.1%00.example.com/", "a host that can't be a name"),
    ("no-scheme", "example.org/feed", "without a scheme"),
    ("port", "https://example.org:99999/", "not an address"),
    ("bracket", "https://[::1/", "not an address"),
    ("dots", "file:../outside.xml", "outside the configuration's folder"),
    ("encoded-dots", "file:%2e%2e/outside.xml", "outside the configuration's folder"),
    ("folder", "file:.", "outside the configuration's folder"),
    ("file-host", "file://example.org/x.xml", "a file address with a host"),
    ("blank", "https://exa mple.org/", "a blank"),
]


@pytest.mark.parametrize(("url", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_addresses_that_are_refused(tmp_path: Path, url: str, message: str) -> None:
    (problem,) = refused(tmp_path, f"feeds:\n  - '{url}'\n")
    assert message in problem.message
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (2, 5)
    assert "pw" not in str(problem)


def test_ssrf_53_a_tab_in_the_authority(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, 'feeds: ["http://1.1.1.1\\t@127.0.0.1/"]\n')
    assert "a control character" in problem.message


GOOD = [
    "https://example.org/feed",
    "http://example.org:8080/feed?x=1&y=2#top",
    "https://münchen.example/rss",
    "http://127.0.0.1:8000/feed",
    "http://[2001:db8::1]/feed",
    "HTTPS://EXAMPLE.ORG/",
]


@pytest.mark.parametrize("url", GOOD)
def test_addresses_that_are_taken_to_the_letter(tmp_path: Path, url: str) -> None:
    (feed,) = feeds(loaded(tmp_path, f"feeds: ['{url}']\n"))
    assert (feed.key, feed.url) == (url, url)


def test_a_file_beside_the_configuration(tmp_path: Path) -> None:
    write(tmp_path, "<rss/>", "local/world news.xml")
    text = "feeds: ['file:local/world news.xml', {url: 'file:./local/../other.xml', name: O}]\n"
    result = loaded(tmp_path, text)
    here, other = feeds(result)
    assert here.key == "file:local/world news.xml"
    assert here.url == (tmp_path / "local/world news.xml").as_uri()
    assert here.name == "world news"
    assert other.key == "file:other.xml"
    assert [problem.level for problem in result.warnings] == ["warning"]
    assert "no such file" in result.warnings[0].message


def test_a_file_by_its_full_path(tmp_path: Path) -> None:
    write(tmp_path, "<rss/>", "world.xml")
    (feed,) = feeds(loaded(tmp_path, f"feeds: ['file://{tmp_path}/world.xml']\n"))
    assert feed.key == "file:world.xml"


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    secret = write(tmp_path, "secret", "outside/secret.xml")
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "link.xml").symlink_to(secret)
    (problem,) = refused(folder, "feeds: ['file:link.xml']\n")
    assert "outside the configuration's folder" in problem.message


def test_everything_a_feed_may_say(tmp_path: Path) -> None:
    text = """\
feeds:
  - url: https://example.com/feed
    name: Example Wire
    tags: [world, wire]
    country: GB
    language: en
    every: 10m
    alarm_if_silent: 2h
    full_text: when_needed
    first_run: alert
    user_agent: example/1
    headers: {X-Trace: "1", Authorization: "Bearer ${KEY}"}
    cookie_file: cookie.txt
    auth: {user: me, password: "${PASSWORD}"}
"""
    write(tmp_path, "session=abc123\n", "cookie.txt").chmod(0o600)
    result = loaded(tmp_path, text, {"KEY": "topsecret", "PASSWORD": "pass word"})
    (feed,) = feeds(result)
    assert feed.tags == ("world", "wire")
    assert (feed.every, feed.alarm_if_silent) == (timedelta(minutes=10), timedelta(hours=2))
    assert (feed.first_run, feed.full_text) == ("alert", "when_needed")
    assert feed.headers == (
        ("X-Trace", "1"),
        ("Authorization", "Bearer topsecret"),
        ("Cookie", "session=abc123"),
    )
    assert feed.basic_auth == ("me", "pass word")
    assert {"Bearer topsecret", "topsecret", "session=abc123", "pass word"} <= result.secrets
    for secret in ("topsecret", "abc123", "pass word"):
        assert secret not in repr(result)
        assert secret not in repr(feed)
        assert secret not in result.settings.model_dump_json()


def test_names_default_to_the_host(tmp_path: Path) -> None:
    text = """\
feeds:
  - https://www.example.org/rss
  - https://news.example.com/world.xml
  - https://news.example.com/uk.xml
  - {url: https://example.net/a, name: Named}
"""
    assert [feed.name for feed in feeds(loaded(tmp_path, text))] == [
        "example.org",
        "news.example.com/world.xml",
        "news.example.com/uk.xml",
        "Named",
    ]


def test_names_stay_unique(tmp_path: Path) -> None:
    text = (
        "feeds: ['https://a.org/x?1', 'https://a.org/x?2', {url: https://b.org/, name: a.org/x}]\n"
    )
    names = [feed.name for feed in feeds(loaded(tmp_path, text))]
    assert len(set(names)) == 3


def test_disabled_feeds_are_left_out(tmp_path: Path) -> None:
    text = "feeds: [{url: 'https://a.org/', enabled: false}, 'https://b.org/']\n"
    assert [feed.key for feed in feeds(loaded(tmp_path, text))] == ["https://b.org/"]


def test_a_feed_listed_twice(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, "feeds:\n  - https://a.org/\n  - https://a.org/\n")
    assert problem.message == "this feed is listed twice"
    assert problem.hint.endswith("config.yaml:2:5")


def test_two_feeds_of_one_name(tmp_path: Path) -> None:
    text = "feeds: [{url: 'https://a.org/', name: A}, {url: 'https://b.org/', name: A}]\n"
    (problem,) = refused(tmp_path, text)
    assert problem.message == "two feeds are called `A`"


def test_a_variable_in_an_address_is_not_in_the_key(tmp_path: Path) -> None:
    text = "feeds: ['https://example.org/feed?key=${KEY}']\n"
    result = loaded(tmp_path, text, {"KEY": "topsecret"})
    (feed,) = feeds(result)
    assert feed.key == "https://example.org/feed?key=${KEY}"
    assert feed.url == "https://example.org/feed?key=topsecret"
    assert "topsecret" in result.secrets


@pytest.mark.parametrize("header", ["'X Y': a", "'X:': a", 'X: "a\\nB: c"'])
def test_headers_that_would_split_the_request(tmp_path: Path, header: str) -> None:
    text = f"feeds: [{{url: 'https://a.org/', headers: {{{header}}}}}]\n"
    (problem,) = refused(tmp_path, text)
    assert "can't be a header" in problem.message
