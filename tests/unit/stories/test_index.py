"""Which story an entry belongs to, and what it means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.stories.index import StoryIndex
from monitor.stories.weights import WINDOW
from monitor.values import Document, StoryDecision
from tests.unit.stories.newsroom import Event

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORY = Event(1)


def doc(doc_id: str, title: str, text: str = "", source: str = "A", **more: str) -> Document:
    return Document(doc_id, title, text, source=source, **more)  # type: ignore[arg-type]


def first(index: StoryIndex, at: datetime = NOW) -> StoryDecision:
    return index.assign(doc("first", STORY.title(), STORY.text()), at)


COPIES = [
    ("the same", STORY.title(), STORY.text()),
    ("another headline", "What we know so far of it", STORY.text()),
    ("an edited headline", f"UPDATE 1-{STORY.title()} - Reuters", STORY.text()),
    ("cut short", STORY.title(), STORY.text()[:150] + " [...]"),
    ("a dateline before it", STORY.title(), f"LONDON (Reuters) - {STORY.text()}"),
    ("a sentence more", STORY.title(), f"{STORY.text()} Read more on our website tomorrow."),
    ("the headline alone", STORY.title(), ""),
]


@pytest.mark.parametrize(("title", "text"), [pytest.param(t, x, id=n) for n, t, x in COPIES])
def test_a_copy_in_another_outlet_is_a_duplicate(title: str, text: str) -> None:
    index = StoryIndex()
    story = first(index).story
    copy = index.assign(doc("copy", title, text, "B"), NOW)
    assert (copy.kind, copy.duplicate_of, copy.story.id) == ("duplicate", "first", story.id)
    assert copy.story.entries == 2
    assert copy.story.sources == ("A",)  # a reprint is no source of its own


def test_dedup_10_one_story_in_ten_feeds() -> None:
    index = StoryIndex()
    decisions = [
        index.assign(doc(f"d{n}", STORY.title(), STORY.text(), f"Feed {n}"), NOW) for n in range(10)
    ]
    assert [each.kind for each in decisions] == ["new"] + ["duplicate"] * 9
    assert decisions[-1].story.entries == 10


def test_the_same_event_in_other_words_is_another_source() -> None:
    index = StoryIndex()
    first(index)
    other = index.assign(doc("other", STORY.title(1), STORY.text(1), "B"), NOW)
    assert (other.story.id, other.duplicate_of) == ("first", None)
    assert other.kind == "duplicate"
    assert other.story.sources == ("A", "B")


def test_other_events_are_other_stories() -> None:
    index = StoryIndex()
    kinds = [
        index.assign(doc(f"d{n}", Event(n).title(n), Event(n).text(n), f"S{n % 7}"), NOW).kind
        for n in range(300)
    ]
    assert kinds == ["new"] * 300


def test_keys_keep_apart_what_would_merge() -> None:
    index = StoryIndex()
    one = index.assign(doc("1", STORY.title(), STORY.text()), NOW, key="CVE-2026-1111")
    other = index.assign(doc("2", STORY.title(), STORY.text(), "B"), NOW, key="CVE-2026-2222")
    again = index.assign(doc("3", STORY.title(), STORY.text(), "C"), NOW, key="CVE-2026-1111")
    assert (one.kind, other.kind, again.kind) == ("new", "new", "duplicate")
    assert again.story.id == one.story.id


def test_a_story_ends_after_the_window_and_moves_it_with_each_entry() -> None:
    index = StoryIndex()
    first(index)
    day = timedelta(hours=60)
    assert index.assign(doc("2", STORY.title(), STORY.text(), "B"), NOW + day).kind != "new"
    assert index.assign(doc("3", STORY.title(), STORY.text(), "C"), NOW + 2 * day).kind != "new"
    late = NOW + 2 * day + WINDOW + timedelta(seconds=1)
    assert index.assign(doc("4", STORY.title(), STORY.text(), "D"), late).kind == "new"


def test_time_never_goes_back() -> None:
    index = StoryIndex()
    first(index)
    early = index.assign(doc("2", STORY.title(), STORY.text(), "B"), NOW - timedelta(days=365))
    assert early.kind == "duplicate"
    assert early.story.last_seen == NOW


def test_an_edited_entry_is_judged_against_its_story() -> None:
    index = StoryIndex()
    first(index)
    same = index.assign(doc("first", STORY.title(), f"{STORY.text()} More."), NOW)
    assert (same.kind, same.story.entries) == ("none", 1)
    edited = index.assign(doc("first", "Court says 77 victims were warned", STORY.text()), NOW)
    assert (edited.kind, edited.reason) == ("update", "new number: 77")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Das Kabinett beschließt den Haushalt für das nächste Jahr in Berlin",
         "Le gouvernement présente le budget de la prochaine année à Paris"),
        ("東京で大きな地震が発生し多くの人が避難した", "大阪で新しい駅が開業し多くの人が訪れた"),
        ("В Москве открыли новую станцию метро для жителей района",
         "В Киеве закрыли старый мост через Днепр на ремонт"),
        ("ارتفاع أسعار النفط بعد اجتماع أوبك في فيينا",
         "انتخابات جديدة في تونس بعد استقالة الحكومة"),
    ],
)  # fmt: skip
def test_other_languages_neither_glue_nor_break(one: str, other: str) -> None:
    index = StoryIndex()
    assert index.assign(doc("1", one), NOW).kind == "new"
    assert index.assign(doc("2", other, source="B"), NOW).kind == "new"
    again = index.assign(doc("3", one, source="C"), NOW)
    assert again.story.id == "1"


@pytest.mark.parametrize("title", ["", "Live", "Morning briefing", "🔥", "x" * 1_000_000])
def test_poor_titles_open_stories_of_their_own(title: str) -> None:
    index = StoryIndex()
    decisions = [index.assign(doc(str(n), title, source=f"S{n}"), NOW) for n in range(3)]
    assert decisions[0].kind == "new"
    assert all(each.story for each in decisions)


def test_morning_briefing_is_a_story_of_its_own_each_day() -> None:
    index = StoryIndex()
    texts = (
        "The harbour reopened after the storm, and the chess champion went home with the cup.",
        "Wheat prices fell in Chicago while teachers in Lisbon voted to end their strike.",
        "A comet passed over Chile; engineers found the lost satellite near the moon at last.",
    )
    kinds = [
        index.assign(doc(str(n), "Morning briefing", text), NOW + timedelta(hours=n)).kind
        for n, text in enumerate(texts)
    ]
    assert kinds == ["new", "new", "new"]


QUAKE = "A 7.1 magnitude earthquake struck northern Chile on Thursday; residents of Iquique fled."
UNDER_ONE_HEADLINE = [
    ("a column", "Morning briefing", "Today: earthquake in Japan, elections in France.",
     "Today: earthquake aid for Turkey, farmers protest in Spain.", False),
    ("a daily list", "Strong earthquakes today", "Chile: magnitude 6.1, no damage reported.",
     "Tonga: magnitude 5.9 off the northern coast.", False),
    ("one event, told anew", "Strong earthquake hits northern Chile", QUAKE,
     "The earthquake in northern Chile killed 27 people in Iquique, where residents fled.", True),
    ("headlines without a text", "Strong earthquake hits northern Chile", "", "", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "text", "later", "one"),
    [pytest.param(*rest, id=name) for name, *rest in UNDER_ONE_HEADLINE],
)
def test_an_outlets_headline_over_another_text_says_nothing_of_itself(
    title: str, text: str, later: str, one: bool
) -> None:
    index = StoryIndex()
    index.assign(doc("monday", title, text), NOW)
    again = index.assign(doc("tuesday", title, later), NOW + timedelta(hours=20))
    assert (again.story.id == "monday") == one
    elsewhere = index.assign(doc("elsewhere", title, later, "B"), NOW + timedelta(hours=21))
    assert elsewhere.story.id == again.story.id


def test_hostile_texts_take_bounded_work() -> None:
    index = StoryIndex()
    for n, text in enumerate(("word " * 400_000, "\u202e\u0301" * 500_000, "東" * 1_000_000)):
        assert index.assign(doc(str(n), text, text), NOW).story
