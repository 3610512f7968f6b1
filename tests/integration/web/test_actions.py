"""What people do on the pages reaches the watch."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.acceptance.process import rss
from tests.feedserver import Answer, FeedServer
from tests.integration.web.site import Site, site


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_first_page_shows_the_alert_with_what_it_matched(shared: Site) -> None:
    page = shared.client.get("/").text
    assert "<mark>arms deals</mark> with Syria" in page or "<mark>Arms deals</mark>" in page
    assert 'href="http://n.example/1"' in page
    assert "Rain in Spain" not in page


def test_a_story_is_shown_with_its_entries_and_where_it_went(shared: Site) -> None:
    wait_for(lambda: "sent</span>" in shared.client.get("/").text)
    found = re.search(r'href="(/stories/[^"]+)"', shared.client.get("/").text)
    assert found
    page = shared.client.get(found[1]).text
    assert "1 entry from 1 source: Wire" in page
    assert "<b>Arms deals</b>: " in page
    assert '<span class="state sent">sent</span>' in page
    assert shared.client.get("/stories/none").status_code == 404
    assert shared.client.get("/stories/%3Cscript%3E").status_code == 404


def test_a_silence_begins_and_ends(shared: Site) -> None:
    answer = shared.post("/silences", matcher="rule=Bonds\nsource=Wire", lasts="2h", comment="<b>")
    assert answer.status_code == 303
    page = shared.client.get("/silences").text
    assert "rule=Bonds, source=Wire" in page
    assert "&lt;b&gt;" in page
    ident = page.split('name="id" value="')[1].split('"')[0]
    assert shared.post("/silences/end", id=ident).status_code == 303
    assert shared.post("/silences/end", id=ident).status_code == 400


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"matcher": "nonsense", "lasts": "2h"}, "is not a matcher"),
        ({"matcher": "rule=A", "lasts": "soon"}, "is not a duration"),
        ({"matcher": "rule=A", "lasts": "99999w"}, "ten years"),
        ({"matcher": "rule=A", "lasts": "0h"}, "longer than nothing"),
        ({"matcher": "", "lasts": "2h"}, "needs a matcher"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(
    shared: Site, values: dict[str, str], said: str
) -> None:
    answer = shared.post("/silences", **values)
    assert answer.status_code == 400
    assert said in answer.text


def test_the_outbox_is_shown_by_state(shared: Site) -> None:
    wait_for(lambda: "Arms deals" in shared.client.get("/outbox?state=sent").text)
    assert "Arms deals" not in shared.client.get("/outbox?state=dead").text
    assert shared.client.get("/outbox?state=nonsense").status_code == 200


def test_feeds_are_found_and_filtered(shared: Site) -> None:
    for query, there in (
        ("", True), ("q=wIRe", True), ("q=other", False), ("show=failing", False),
        ("show=ok", True), ("page=999999999999", True), ("page=-1", True),
    ):  # fmt: skip
        page = shared.client.get(f"/feeds?{query}").text
        assert ("127.0.0.1" in page) is there, query


def test_a_feed_is_polled_when_asked(tmp_path: Path, feeds: FeedServer) -> None:
    with site(tmp_path, feeds) as running:
        text = running.config.read_text().replace("every: 2s", "every: 6h")
        running.config.write_text(text)
        running.process.wait_for("the reload", running.process.said("configuration reloaded"))
        count = 0
        while count != len(feeds.of("/feed")):  # the poll that was due before
            count = len(feeds.of("/feed"))
            time.sleep(3)
        assert running.post("/feeds/poll", key=feeds.url("/feed")).status_code == 303
        running.process.wait_for("a poll", lambda: len(feeds.of("/feed")) > count)
        assert running.post("/feeds/poll", key="http://nowhere.example/").status_code == 400


def test_a_feed_is_paused_and_resumed_in_the_file(tmp_path: Path, feeds: FeedServer) -> None:
    with site(tmp_path, feeds) as running:
        assert "only feed" in running.post("/feeds/pause", name="Wire").text
        before = running.another_feed()
        write(running, running.post("/feeds/pause", name="Wire"))
        assert ", first_run: alert, enabled: false}" in running.config.read_text()
        wait_for(lambda: "paused (1)" in running.client.get("/feeds").text)
        assert "127.0.0.1:" not in running.client.get("/feeds?show=paused").text
        assert "only feed" in running.post("/feeds/pause", name="Other").text
        write(running, running.post("/feeds/resume", name="Wire"))
        assert running.config.read_text() == before
        assert running.post("/feeds/pause", name="Nobody").status_code == 400


def test_feeds_are_found_added_and_exchanged(tmp_path: Path, feeds: FeedServer) -> None:
    with site(tmp_path, feeds) as running:
        other = feeds.script("/other.xml", Answer(rss("Other <b>feed</b>", ())))
        page = '<html><head><link rel="alternate" type="application/rss+xml" href="/other.xml">'
        home = feeds.script("/", Answer(page, content_type="text/html"))
        found = running.post("/feeds/find", site=home)
        assert other in found.text
        assert "No feed was found" in running.post("/feeds/find", site="").text
        assert "10.0.0.1" in running.post("/feeds/find", site="http://10.0.0.1/").text
        write(running, running.post("/feeds/add", url=other, name="Other", tags="a, b"))
        assert (
            f"  - url: {other}\n    name: Other\n    tags: [a, b]\n" in running.config.read_text()
        )
        wait_for(lambda: "Other" in running.client.get("/feeds").text)
        assert "is in `feeds` already" in running.post("/feeds/add", url=other).text
        listed = running.client.get("/feeds.opml")
        assert 'xmlUrl="' + other in listed.text
        assert "attachment" in listed.headers["content-disposition"]
        more = listed.text.replace("other.xml", "third.xml")
        write(running, running.upload("/feeds/import", more))
        assert feeds.url("/third.xml") in running.config.read_text()
        assert "known already" in running.upload("/feeds/import", listed.text).text
        assert "not OPML" in running.upload("/feeds/import", "nonsense").text


def test_a_route_is_rehearsed_and_switched(tmp_path: Path, feeds: FeedServer) -> None:
    with site(tmp_path, feeds) as running:
        text = running.config.read_text() + "routes:\n  - when: {severity: low}\n    to: [news]\n"
        running.config.write_text(text)
        running.process.wait_for("the reload", running.process.said("configuration reloaded"))
        get = running.client.get
        said = get("/routes", params={"title": "Arms deals go on", "at": "sat 03:00"}).text
        assert "to <b>news</b>" in said
        assert "No rule matches" in get("/routes?title=Rain").text
        assert "to <b>news</b>" in get("/routes?rule=Arms+deals&severity=low").text
        assert get("/routes?rule=None").status_code == 400
        assert get("/routes?title=x&at=someday").status_code == 400
        write(running, running.post("/routes/switch", number="0", enabled="false"))
        assert running.config.read_text() == text + "    enabled: false\n"
        assert running.post("/routes/switch", number="7", enabled="false").status_code == 400


def test_the_quality_page_shows_what_came_of_alerts(shared: Site) -> None:
    wait_for(lambda: "As of" in shared.client.get("/quality?days=7").text)
    page = shared.client.get("/quality?days=7").text
    assert "<b>2</b> entries matched" in page or "<b>1</b> entry matched" in page
    assert "Entries a day" in page
    assert "Nobody has pressed a button" in page


def write(running: Site, shown: httpx.Response) -> None:
    """Write the change that was shown, and wait until it is in force."""
    found = re.search(r'name="change" value="([^"]+)"', shown.text)
    assert found, shown.text
    lines = len(running.process.err)
    answer = running.post("/changes", change=found[1], here="/feeds")
    assert answer.status_code == 303, answer.text
    wait_for(lambda: any("configuration reloaded" in line for line in running.process.err[lines:]))
