"""Is this entry one its feed has shown before?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from monitor.store.port import SeenKey
from monitor.stories.identity import Identified, Override, all_keys, identify, keys_of
from monitor.values import Entry

FEED = "https://example.com/feed.xml"
TEXT = "The ministry said on Tuesday that talks about the canal would begin next week in Geneva."
OTHER_TEXT = "Farmers blocked the motorway with tractors while police watched from a bridge nearby."


class Feed:
    """What a feed has seen, as the store would keep it."""

    def __init__(self) -> None:
        self.seen: dict[bytes, SeenKey] = {}
        self._ids = (f"e{number}" for number in count(1))

    def poll(self, *entries: Entry, override: Override | None = None) -> tuple[Identified, ...]:
        keys = [keys_of(entry, FEED) for entry in entries]
        wanted = {key for each in keys for key in all_keys(each)}
        known = {key: self.seen[key] for key in wanted if key in self.seen}
        found = identify(entries, keys, known, lambda: next(self._ids), override)
        self.seen.update((key.key, key) for each in found for key in each.seen)
        return found

    def statuses(self, *entries: Entry, override: Override | None = None) -> list[str]:
        return [each.status for each in self.poll(*entries, override=override)]


def entry(number: int = 1, **changes: Any) -> Entry:
    made = Entry(
        raw_id=f"guid-{number}",
        url=f"https://example.com/news/story-{number}",
        title=f"Canal talks between rivals open in round {number} at Geneva",
        summary=f"Part {number}: {TEXT}",
        published=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return replace(made, **changes)


MUTATIONS = [
    ("nothing changed", {}, "known"),
    ("GUID changed", {"raw_id": "other"}, "known"),
    ("GUID gone", {"raw_id": None}, "known"),
    ("http instead of https", {"url": "http://example.com/news/story-1"}, "known"),
    ("tracking parameter", {"url": "https://example.com/news/story-1?utm_source=x"}, "known"),
    ("mobile host", {"url": "https://m.example.com/news/story-1"}, "known"),
    ("AMP", {"url": "https://example.com/news/story-1/amp"}, "known"),
    ("fragment", {"url": "https://example.com/news/story-1#live"}, "known"),
    ("relative link", {"url": "/news/story-1"}, "known"),
    ("new address under one GUID", {"url": "https://example.com/2026/canal"}, "known"),
    ("date bumped", {"published": datetime(2026, 2, 1, tzinfo=UTC)}, "known"),
    ("date gone", {"published": None}, "known"),
    ("label added", {"title": "UPDATE 1-Canal talks between rivals open in round 1 at Geneva"},
     "known"),
    ("outlet added", {"title": "Canal talks between rivals open in round 1 at Geneva - Reuters"},
     "known"),
    ("typo fixed in the title", {"title": "Canal talks betwen rivals open in round 1 at Geneva"},
     "changed"),
    ("headline rewritten", {"title": "Rivals meet"}, "changed"),
    ("text rewritten", {"summary": OTHER_TEXT}, "changed"),
    ("GUID changed, typo fixed in the title",
     {"raw_id": "x", "title": "Canal talks betwen rivals open in round 1 at Geneva"}, "changed"),
    ("GUID changed, text rewritten", {"raw_id": "other", "summary": OTHER_TEXT}, "changed"),
    ("GUID changed, typos fixed in title and text",
     {"raw_id": "other", "title": "Canal talks betwen rivals open in round 1 at Geneva",
      "summary": f"Part 1: {TEXT.replace('ministry', 'minstry')}"}, "changed"),
    ("GUID and address changed", {"raw_id": "other", "url": "https://example.com/p/77"}, "known"),
    ("no GUID, no address", {"raw_id": None, "url": None}, "known"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "status"), [pytest.param(c, s, id=name) for name, c, s in MUTATIONS]
)
def test_a_changed_entry_is_not_new(changes: dict[str, Any], status: str) -> None:
    feed = Feed()
    first = feed.poll(entry())[0]
    again = feed.poll(entry(**changes))[0]
    assert (again.status, again.entry_id) == (status, first.entry_id)
    assert feed.statuses(entry(**changes)) == ["known"]


NEWS = [
    ("another entry",
     {"raw_id": "g2", "url": "https://example.com/2", "title": "Farmers", "summary": OTHER_TEXT}),
    ("DEDUP-06: GUID used again for another story",
     {"url": "https://example.com/2", "title": "Farmers block roads again", "summary": OTHER_TEXT}),
    ("live blog: same address, other GUID, title and text",
     {"raw_id": "g2", "title": "Farmers block roads again", "summary": OTHER_TEXT}),
    ("live blog without GUIDs",
     {"raw_id": None, "title": "Farmers block roads again", "summary": OTHER_TEXT}),
    ("same title over another address and text",
     {"raw_id": "g2", "url": "https://example.com/2", "summary": OTHER_TEXT}),
    ("same text under another title, address and GUID",
     {"raw_id": "g2", "url": "https://example.com/2", "title": "Weather for Wednesday"}),
]  # fmt: skip


@pytest.mark.parametrize("changes", [pytest.param(c, id=name) for name, c in NEWS])
def test_a_new_entry_is_not_missed(changes: dict[str, Any]) -> None:
    feed = Feed()
    feed.poll(entry())
    assert feed.statuses(entry(**changes)) == ["new"]


def test_morning_briefing_is_new_each_day() -> None:
    feed = Feed()
    for day, text in enumerate((TEXT, OTHER_TEXT, f"{OTHER_TEXT} More at noon.")):
        given = Entry(f"g{day}", f"https://example.com/b/{day}", "Morning briefing", text)
        assert feed.statuses(given) == ["new"]


def test_links_to_the_front_page_tell_nothing() -> None:
    feed = Feed()
    one = Entry(None, "https://example.com/", "Morning briefing", TEXT)
    other = Entry(None, "https://example.com/", "Morning briefing", OTHER_TEXT)
    assert feed.statuses(one) == ["new"]
    assert feed.statuses(other) == ["new"]
    assert feed.statuses(one, other) == ["known", "known"]


def test_dedup_04_all_guids_change_at_once() -> None:
    feed = Feed()
    before = [entry(number) for number in range(500)]
    assert set(feed.statuses(*before)) == {"new"}
    after = [replace(each, raw_id=f"new-{number}") for number, each in enumerate(before)]
    assert set(feed.statuses(*after)) == {"known"}


def test_dedup_04_guids_addresses_and_texts_change_at_once() -> None:
    feed = Feed()
    before = [entry(number) for number in range(20)]
    feed.poll(*before)
    after = [
        replace(each, raw_id=f"new-{n}", url=f"https://new.example.org/{n}", summary="")
        for n, each in enumerate(before)
    ]
    assert set(feed.statuses(*after)) == {"changed"}


def test_dedup_05_guids_that_change_with_each_fetch() -> None:
    feed = Feed()
    feed.poll(*(entry(number) for number in range(20)))
    for fetch in range(5):
        assert set(
            feed.statuses(*(entry(n, raw_id=f"session-{fetch}-{n}") for n in range(20)))
        ) == {"known"}


def test_dedup_05_without_text_or_link() -> None:
    feed = Feed()
    title = "Minister resigns over the canal affair"
    assert feed.statuses(Entry("a", None, title)) == ["new"]
    assert feed.statuses(Entry("b", None, title)) == ["known"]


def test_dedup_07_emptied_and_refilled() -> None:
    feed = Feed()
    entries = [entry(number) for number in range(10)]
    feed.poll(*entries)
    assert feed.statuses() == []
    assert set(feed.statuses(*entries)) == {"known"}


def test_dedup_09_a_typo_fixed_is_the_same_entry() -> None:
    feed = Feed()
    first = feed.poll(entry(title="Presidnet resigns over the canal affair"))[0]
    again = feed.poll(entry(title="President resigns over the canal affair"))[0]
    assert (again.status, again.entry_id) == ("changed", first.entry_id)


def test_dedup_16_order_shuffled() -> None:
    feed = Feed()
    entries = [entry(number) for number in range(30)]
    feed.poll(*entries)
    assert set(feed.statuses(*reversed(entries))) == {"known"}


def test_an_entry_dropped_and_returned_is_known() -> None:
    feed = Feed()
    feed.poll(entry(1), entry(2))
    feed.poll(entry(2))
    assert feed.statuses(entry(1), entry(2)) == ["known", "known"]


def test_doubles_in_one_document_are_one_entry() -> None:
    found = Feed().poll(entry(1), entry(2), entry(1, raw_id="copy"))
    assert [each.status for each in found] == ["new", "new", "known"]
    assert found[2].entry_id == found[0].entry_id


def test_one_guid_for_two_entries_of_a_document_says_nothing() -> None:
    feed = Feed()
    one = entry(1, raw_id="same")
    other = entry(2, raw_id="same", title="Farmers block roads again", summary=OTHER_TEXT)
    assert feed.statuses(one, other) == ["new", "new"]
    assert feed.statuses(one, other) == ["known", "known"]


def test_live_blog_posts_stay_apart_and_known() -> None:
    feed = Feed()
    url = "https://example.com/live"
    posts = [
        Entry(f"post-{n}", url, f"Post {word} from the square", f"{word} {TEXT}")
        for n, word in enumerate(("alpha", "bravo", "charlie"))
    ]
    assert feed.statuses(posts[0]) == ["new"]
    assert feed.statuses(posts[1], posts[0]) == ["new", "known"]
    assert feed.statuses(*reversed(posts)) == ["new", "known", "known"]
    assert set(feed.statuses(*posts)) == {"known"}


@pytest.mark.parametrize(
    ("override", "changes", "status"),
    [
        ("guid", {"raw_id": "other"}, "new"),
        ("guid", {"url": "https://example.com/x", "title": "Other", "summary": OTHER_TEXT},
         "changed"),
        ("url", {"raw_id": "other", "title": "Other", "summary": OTHER_TEXT}, "changed"),
        ("url", {"url": "https://example.com/x"}, "new"),
        ("title", {"raw_id": "other", "url": "https://example.com/x", "summary": OTHER_TEXT},
         "changed"),
        ("title", {"title": "Something else entirely"}, "new"),
        ("url", {"url": None}, "known"),
    ],
)  # fmt: skip
def test_a_feed_may_say_which_key_decides(
    override: Override, changes: dict[str, Any], status: str
) -> None:
    feed = Feed()
    feed.poll(entry(), override=override)
    assert feed.statuses(entry(**changes), override=override) == [status]


def test_only_what_is_missing_is_stored_for_a_known_entry() -> None:
    feed = Feed()
    feed.poll(entry())
    assert feed.poll(entry())[0].seen == ()
    added = feed.poll(entry(raw_id="other"))[0].seen
    assert [key.kind for key in added] == ["guid"]


BAD: Sequence[Entry] = (
    Entry(None, None, ""),
    Entry("", "", "", "", ""),
    Entry("x" * 1_000_000, "https://e.org/" + "x" * 1_000_000, "y" * 1_000_000, "z" * 1_000_000),
    Entry(None, "javascript:1", "\x00\ud800", "\u202e"),
    Entry("1", "http://[bad", "שלום עולם", "مرحبا بالعالم"),
)


@pytest.mark.parametrize("bad", BAD)
def test_bad_entries_are_kept_and_known_again(bad: Entry) -> None:
    feed = Feed()
    assert feed.statuses(bad) == ["new"]
    assert feed.statuses(bad) == ["known"]


def test_ten_thousand_entries_in_one_document() -> None:
    feed = Feed()
    entries = [entry(number) for number in range(10_000)]
    assert set(feed.statuses(*entries)) == {"new"}
    assert set(feed.statuses(*entries)) == {"known"}
