"""The rule lab: a rule is tried on stored stories, and written to the file only when asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.feedserver import FeedServer
from tests.integration.web.site import Site, site

RULE = "name: Spanish weather\nall: [rain, Spain]\n"


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        (RULE, "1 of 2 stories"),
        (RULE, "<mark>Rain</mark> in <mark>Spain</mark>"),
        (RULE, "<ins>+  - name: Spanish weather</ins>"),
        (RULE, ": 1 stories</title>"),
        ("name: Near\nall: [rain, Norway]\n", "fails at <b>all: Norway</b>"),
        ("name: Near\nany: [rain]\nnone: [Spain]\n", "fails at <b>none: Spain</b>"),
        ("name: Arms deals\nany: [rain]\n", "1 new, 1 lost"),
        ("name: Arms deals\nany: [rain]\n", "is there already"),
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
        ("- a\n- b", "not one rule"),
        ("name: [x", "not YAML"),
        ("name: A\nanny: [x]", "did you mean `any`?"),
        ("name: A\nany: ['/(/']", "error:"),
        ("name: A\nany: ['${SLACK_BOT_TOKEN}']", "variables have no place"),
        ("name: A\nto: nowhere\nany: [rain]", "nowhere"),
        ("name: &a [*a]", "error:"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(shared: Site, yaml: str, said: str) -> None:
    assert said in shared.post("/lab/check", yaml=yaml).text
    tried = shared.post("/lab", yaml=yaml)
    assert (tried.status_code, said in tried.text) == (400, True)


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Rain falls in Spain", "The rule matches it."),
        ("Sun", "The rule does not match it."),
    ],
)
def test_a_pasted_text_is_tried(shared: Site, title: str, said: str) -> None:
    assert said in shared.post("/lab", yaml=RULE, title=title).text


def test_a_rule_is_written_only_when_asked(tmp_path: Path, feeds: FeedServer) -> None:
    with site(tmp_path, feeds) as running:
        before = running.config.read_text()
        seen = running.post("/lab", yaml=RULE).text.split('name="seen" value="')[1].split('"')[0]
        assert running.post("/lab/apply", yaml=RULE, seen="0" * 64).status_code == 409
        assert running.config.read_text() == before
        assert running.post("/lab/apply", yaml=RULE, seen=seen).status_code == 303
        after = running.config.read_text()
        assert "rules:  # what we watch for" in after
        assert [line for line in after.splitlines() if line not in before.splitlines()] == [
            "  - name: Spanish weather",
            "    all: [rain, Spain]",
        ]
        running.process.wait_for("the reload", running.process.said("configuration reloaded"))
        assert running.post("/lab/apply", yaml=RULE, seen=seen).status_code == 409
