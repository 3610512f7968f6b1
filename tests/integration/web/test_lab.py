"""The rule lab: a rule is checked, tried on stored stories, and written to the file when asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.acceptance.process import rss
from tests.feedserver import Answer, FeedServer
from tests.integration.web.site import ITEMS, Site, site

RULE = "name: Spanish weather\nall: [rain, Spain]  # mine\n"


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        (RULE, "1 of 2 stories"),
        (RULE, "<mark>Rain</mark> in <mark>Spain</mark>"),
        (RULE, ": 1 stories</title>"),
        ("name: Near\nall: [rain, Norway]\n", "fails at <b>all: Norway</b>"),
        ("name: Near\nany: [rain]\nnone: [Spain]\n", "fails at <b>none: Spain</b>"),
        ("name: Stems\nany: [raining]\ninflect: stem\n", "1 of 2 stories"),
        ("name: Where\nany: ['/R.in/']\nwhere: {feed: [Wire]}\n", "1 of 2 stories"),
        ("name: Arms deals\nany: [rain]\n", "<b>1</b> new, <b>1</b> lost"),
        ("- name: As listed\n  any: [rain]\n", "1 of 2 stories"),
    ],
)
def test_a_rule_is_tried_on_stored_stories(shared: Site, yaml: str, said: str) -> None:
    answer = shared.post("/lab", yaml=yaml, days="1")
    assert answer.status_code == 200
    assert said in answer.text


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("", "not one rule"),
        ("# nothing", "not one rule"),
        ("- a\n- b", "not one rule"),
        ("name: [x", "not YAML"),
        ("name: A\nanny: [x]", "did you mean `any`?"),
        ("name: A\nany: ['/(/']", "error</b>"),
        ("name: A\nany: [list:nothing]", "unknown list"),
        ("name: A\nentities: [Syra]", "Syria"),
        ("name: A\nany: ['${SLACK_BOT_TOKEN}']", "variables have no place"),
        ("name: A\nto: nowhere\nany: [rain]", "nowhere"),
        ("name: &a [*a]", "error</b>"),
        ("name: A\nmatch: 'rain AND snow OR hail'", "parenthes"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(shared: Site, yaml: str, said: str) -> None:
    assert said in shared.post("/lab/check", yaml=yaml).text
    tried = shared.post("/lab", yaml=yaml)
    assert (tried.status_code, said in tried.text) == (400, True)


@pytest.mark.parametrize(
    ("yaml", "line", "column"),
    [
        ("name: A\nanny: [x]", 2, 1),
        ("# a note\n\nname: A\nany: [list:no]", 4, 7),
        ("- name: A\n  any: [rain]\n  to: nowhere", 3, 7),
        ("name: A\nmatch: 'rain AND snow OR hail'", 2, 23),
        ("name: [x", 2, 1),
    ],
)
def test_an_error_is_shown_at_its_place(shared: Site, yaml: str, line: int, column: int) -> None:
    answer = shared.post("/lab/check", yaml=yaml).text
    found = re.search(r'data-line="(\d+)" data-column="(\d+)"', answer)
    assert found, answer
    assert (int(found[1]), int(found[2])) == (line, column)


@pytest.mark.parametrize(
    ("yaml", "offered"),
    [
        ("n", "name: "),
        ("name: A\nen", "entities: "),
        ("name: A\nentities: [Syr", "Syria"),
        ("name: A\nentities:\n  - Syr", "Syria"),
        ("name: A\nany: [entity:Syr", "Syria"),
        ("name: A\nmatch: rain NE", "NEAR/5"),
        ("name: A\nmatch: entity:South", '"South Sudan"'),
        ("name: A\nseverity: h", "high"),
        ("name: A\nto: ne", "news"),
        ("name: A\nwhere:\n  lan", "languages: "),
    ],
)
def test_what_may_stand_there_is_offered(shared: Site, yaml: str, offered: str) -> None:
    answer = shared.post("/lab/complete", yaml=yaml, at=str(len(yaml)))
    assert offered in [each["text"] for each in answer.json()]


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Rain falls in Spain", "The rule matches it."),
        ("Sun in Spain", "fails at <b>all: rain</b>"),
        ("Sun", "The rule does not match it."),
    ],
)
def test_a_pasted_text_is_tried(shared: Site, title: str, said: str) -> None:
    assert said in shared.post("/lab", yaml=RULE, title=title).text


def test_a_page_is_read_and_tried(tmp_path: Path, feeds: FeedServer) -> None:
    body = "<p>" + "Heavy rain fell in Spain on Monday, and the rivers rose there. " * 12 + "</p>"
    page = f"<html><head><title>Weather</title></head><body><article>{body}</article></body></html>"
    url = feeds.script("/page", Answer(page, content_type="text/html"))
    with site(tmp_path, feeds) as running:
        assert "The rule matches it." in running.post("/lab", yaml=RULE, url=url).text
        refused = running.post("/lab", yaml=RULE, url="http://10.0.0.1/").text
        assert "10.0.0.1" in refused
        assert "The rule matches it." not in refused
        assert (
            "only http and https" in running.post("/lab", yaml=RULE, url="file:///etc/passwd").text
        )


def test_a_rule_is_written_only_when_asked(tmp_path: Path, feeds: FeedServer) -> None:
    with site(tmp_path, feeds) as running:
        before = running.config.read_text()
        shown = running.post("/lab/change", yaml=RULE)
        assert "<ins>+  - name: Spanish weather</ins>" in shown.text
        change = change_of(shown.text)
        assert running.config.read_text() == before
        assert running.post("/changes", change="none", here="/lab").status_code == 409
        assert running.post("/changes", change=change, here="/lab").status_code == 303
        after = running.config.read_text()
        assert "rules:  # what we watch for" in after
        assert [line for line in after.splitlines() if line not in before.splitlines()] == [
            "  - name: Spanish weather",
            "    all: [rain, Spain]  # mine",
        ]
        running.process.wait_for("the reload", running.process.said("configuration reloaded"))
        assert running.post("/changes", change=change, here="/lab").status_code == 409


def test_a_rule_of_the_file_is_opened_and_changed_in_its_place(
    tmp_path: Path, feeds: FeedServer
) -> None:
    with site(tmp_path, feeds) as running:
        page = running.client.get("/lab", params={"rule": "Arms deals"}).text
        assert "name: Arms deals\nany: [arms deals]\nseverity: high" in page
        assert running.client.get("/lab?rule=None").status_code == 404
        edited = "name: Arms deals\nany: [arms deals, missiles]  # more\nseverity: high\n"
        shown = running.post("/lab/change", yaml=edited).text
        running.config.write_text(running.config.read_text() + "# somebody else\n")
        answer = running.post("/changes", change=change_of(shown), here="/lab")
        assert (answer.status_code, "has changed since" in answer.text) == (409, True)
        shown = running.post("/lab/change", yaml=edited).text
        answer = running.post("/changes", change=change_of(shown), here="//evil.example")
        assert answer.headers["location"].startswith("/?said=")
        text = running.config.read_text()
        assert "    any: [arms deals, missiles]  # more\n" in text
        assert text.count("Arms deals") == 1


def test_progress_is_told_until_all_is_looked_at(tmp_path: Path, feeds: FeedServer) -> None:
    many = tuple(
        {
            "title": f"Rain in town {number}",
            "guid": str(number),
            "link": f"http://n.example/{number}",
        }
        for number in range(900)
    )
    feeds.script("/many", Answer(rss("Many", many)))
    with site(tmp_path, feeds) as running:
        feed = f"  - {{url: '{feeds.url('/many')}', name: Many, first_run: baseline}}\nrules:"
        running.config.write_text(running.config.read_text().replace("rules:", feed, 1))
        running.process.wait_for("the feed", running.process.said("900 new"))
        page = running.post("/lab", yaml="name: Rain\nany: [rain]\n").text
        if found := re.search(r'data-trial="([^"]+)"', page):
            told = running.client.get(found[1]).text
            assert told.rstrip().split("event: ")[-1].startswith("done")
            page = told
        assert "901 of 902 stories" in page
        assert running.client.get("/lab/trials/none").status_code == 204
        assert len(ITEMS) == 2


def change_of(page: str) -> str:
    found = re.search(r'name="change" value="([^"]+)"', page)
    assert found, page
    return found[1]
