"""What people do on the pages reaches the watch."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.feedserver import FeedServer
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


def test_the_list_is_sent_again_only_when_it_changed(shared: Site) -> None:
    wait_for(lambda: "sent</span>" in shared.client.get("/alerts").text)
    first = shared.client.get("/alerts")
    again = shared.client.get("/alerts", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)


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
        assert running.post("/feeds/poll", key="http://nowhere.example/").status_code == 404
