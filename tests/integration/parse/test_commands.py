"""`parse`, `extract` and `feeds` as processes, over real sockets; their JSON is an interface."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.feedserver import Answer, FeedServer, rss
from tests.unit.sources.test_text import ARTICLE, BYLINE, HEAD, TAIL

ROOT = Path(__file__).resolve().parents[3]
ENTRY_KEYS = {
    *("id", "url", "title", "summary", "content", "published", "updated"),
    *("authors", "categories", "language"),
}


def run(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "bot.py"), *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[Any]:
    assert "Traceback" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_parse_writes_one_line_for_each_input(tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_text(
        "<rss version='2.0'><channel><title>T</title><language>en</language><ttl>5</ttl>"
        "<link>https://n.example/</link><item><title>A\u2028B</title><guid>1</guid>"
        "<pubDate>Tue, 17 Feb 2126 12:00:00 GMT</pubDate></item><item><title>C</title></item>"
        "</channel></rss>"
    )
    with FeedServer() as server:
        url = server.script("/feed", Answer(rss([("g1", "One"), ("g2", "Two")])))
        done = run(
            *("parse", "feed.xml", url, "missing.xml", str(tmp_path), "ftp://x.example/f"),
            *("--json", "--allow", "127.0.0.0/8"),
            cwd=tmp_path,
        )
    assert done.returncode == 0
    file, web, *failed = lines(done)
    assert file["input"] == "feed.xml"
    assert file["feed"] == {
        "title": "T",
        "url": None,
        "site_url": "https://n.example/",
        "language": "en",
        "ttl": 5,
    }
    assert [set(entry) for entry in file["entries"]] == [ENTRY_KEYS, ENTRY_KEYS]
    assert file["entries"][0]["title"] == "A B"
    assert file["entries"][0]["published"] == "2126-02-17T12:00:00Z"  # not clamped
    assert file["entries"][1]["published"] is None
    assert [entry["id"] for entry in web["entries"]] == ["g1", "g2"]
    assert [set(line) for line in failed] == [{"input", "error"}] * 3


def test_private_addresses_are_refused_unless_allowed(tmp_path: Path) -> None:
    with FeedServer() as server:
        url = server.script("/feed", Answer(rss()))
        (line,) = lines(run("parse", url, "--json", cwd=tmp_path))
        assert server.of("/feed") == []
    assert "loopback" in line["error"]


@pytest.mark.parametrize("words", [[], ["--allow", "nonsense", "x"], ["--no-such", "x"]])
def test_wrong_words_are_usage_errors(words: list[str], tmp_path: Path) -> None:
    done = run("parse", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_human_gets_a_table_and_reasons(tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_text(rss([("1", "A headline")]))
    (tmp_path / "page.html").write_text("<!doctype html><p>hello")
    done = run("parse", "feed.xml", "page.html", cwd=tmp_path)
    assert done.returncode == 1
    assert "A headline" in done.stdout
    assert "HTML page" in done.stderr


def test_extract(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("\n\n".join([*HEAD, *BYLINE, *ARTICLE, *TAIL]))
    done = run("extract", "page.txt", "missing", "--json", cwd=tmp_path)
    assert done.returncode == 0
    article, missing = lines(done)
    assert set(article) == {"input", "title", "text", "published", "language", "site"}
    assert article["title"] == BYLINE[0]
    assert article["published"] == "2026-03-12T00:00:00Z"
    assert ARTICLE[0] in article["text"]
    assert "Boston" not in article["text"]
    assert set(missing) == {"input", "error"}


CONFIG = """\
# mine
feeds:
  - {url: https://known.example/f, name: Known, tags: [world]}  # kept
rules:
  - {name: r, any: [word]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


def test_discover_and_add(folder: Path) -> None:
    page = '<link rel="alternate" type="application/rss+xml" href="/real"><a href="/rss">dead</a>'
    with FeedServer() as server:
        site = server.script("/", Answer(page, content_type="text/html"))
        url = server.script("/real", Answer(rss(title="Real Wire")))
        (found,) = lines(
            run("feeds", "discover", site, "--json", "--allow", "127.0.0.0/8", cwd=folder)
        )
        assert (found["url"], found["title"], found["entries"]) == (url, "Real Wire", 1)
        done = run("feeds", "add", site, "--allow", "127.0.0.0/8", "--tag", "new", cwd=folder)
        assert done.returncode == 0, done.stderr
        again = run("feeds", "add", url, "--allow", "127.0.0.0/8", cwd=folder)
        assert again.returncode == 2
        nothing = server.script("/none", Answer("<p>no", content_type="text/html"))
        assert (
            run("feeds", "discover", nothing, "--allow", "127.0.0.0/8", cwd=folder).returncode == 1
        )
    text = (folder / "config.yaml").read_text()
    assert text.startswith("# mine\n")
    assert "# kept" in text
    listed = {each["url"]: each for each in lines(run("feeds", "list", "--json", cwd=folder))}
    assert listed[url]["name"] == "Real Wire"
    assert listed[url]["tags"] == ["new"]


def test_opml_in_and_out(folder: Path) -> None:
    (folder / "list.opml").write_text(
        '<opml version="2.0"><body><outline text="World">'
        '<outline text="Wire: all" xmlUrl="https://wire.example/f?a=1&amp;b=2"/>'
        '<outline text="Known" xmlUrl="https://known.example/f"/></outline>'
        '<outline text="bad" xmlUrl="javascript:x"/></body></opml>'
    )
    before = (folder / "config.yaml").read_text()
    assert run("feeds", "import", "list.opml", "--dry-run", cwd=folder).returncode == 0
    assert (folder / "config.yaml").read_text() == before
    done = run("feeds", "import", "list.opml", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "1 new, 1 known already, 1 skipped" in done.stderr
    listed = {each["url"]: each for each in lines(run("feeds", "list", "--json", cwd=folder))}
    assert listed["https://wire.example/f?a=1&b=2"]["tags"] == ["World"]
    exported = run("feeds", "export", cwd=folder)
    assert 'xmlUrl="https://wire.example/f?a=1&amp;b=2"' in exported.stdout
    assert exported.stdout.count("<outline text=") >= 2


def test_health_before_the_first_poll(folder: Path) -> None:
    (known,) = lines(run("feeds", "health", "--json", cwd=folder))
    assert (known["name"], known["status"], known["failures"]) == ("Known", "not polled yet", 0)
