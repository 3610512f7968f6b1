"""`/metrics`, `/healthz` and `/readyz` of a running watch."""

from __future__ import annotations

import time

import feedparser
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.web.site import Site


def sampled(site: Site) -> dict[str, float]:
    answer = site.client.get("/metrics")
    assert answer.status_code == 200
    return {
        sample.name + "".join(f",{k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_was_done_is_counted(shared: Site) -> None:
    end = time.monotonic() + 20
    while "newswatch_deliveries_total,channel=news,state=sent" not in (found := sampled(shared)):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    expected = {
        "newswatch_polls_total,outcome=ok": 1,
        "newswatch_entries_total,age=new": 2,
        "newswatch_matches_total,rule=Arms deals": 1,
        "newswatch_story_decisions_total,kind=new": 2,
        "newswatch_alerts_total,channel=news,kind=alert": 1,
        "newswatch_deliveries_total,channel=news,state=sent": 1,
        "newswatch_outbox,state=sent": 1,
        "newswatch_outbox,state=dead": 0,
        "newswatch_feeds,state=ok": 1,
        "newswatch_feeds,state=failing": 0,
        "newswatch_seen_to_posted_seconds_count": 1,
        "newswatch_parse_seconds_count": 1,
        "newswatch_publish_to_seen_seconds_count": 0,  # the feed gives no dates
    }
    assert {name: found.get(name) for name in expected} == expected


def test_it_says_that_it_lives_and_works(shared: Site) -> None:
    for path in ("/healthz", "/readyz"):
        answer = shared.client.get(path)
        assert (answer.status_code, answer.text) == (200, "ok\n")


def test_each_rule_has_a_feed(shared: Site) -> None:
    answer = shared.client.get("/atom/Arms%20deals")
    assert answer.headers["content-type"] == "application/atom+xml"
    read = feedparser.parse(answer.content)
    assert [entry.title for entry in read.entries] == ["Arms deals with Syria go on"]
    assert read.feed.links[0].href == f"{shared.url}/atom/Arms%20deals"
    assert shared.client.get("/atom/Nope").status_code == 404
