"""The lines that other programs read: exact keys, order, offsets, ASCII, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.process import ROOT, run

CONFIG = """\
rules:
  - {name: Arms deals with Syria, any: [arms deals], entities: [Syria]}
  - {name: CVE, match: '/CVE-\\d{4}-\\d{4,7}/', key: '/CVE-\\d{4}-\\d{4,7}/'}
"""
BODY = "Officials said that several arms deals with Syria’s government are still open."
STORIES: list[dict[str, Any]] = [
    {"id": "a", "title": "Deliveries go on", "summary": BODY, "published": "2026-03-01T10:00:00Z"},
    {"id": 7, "title": "Syria wins friendly", "source": "B", "published": "2026-03-01T10:05:00Z"},
    {"id": "c", "title": "Deliveries go on", "summary": BODY, "source": "C"},
    {"id": "d", "title": "Patch for CVE-2026-1111 in router", "published": "2026-03-01T10:09:00Z"},
    {"id": "e", "title": "Patch for CVE-2026-2222 in router", "published": "2026-03-01T10:09:00Z"},
    {
        "id": "f\u2028",
        "title": "Line\u2028separator \ud83d\ude80",
        "content": "<p>arms&nbsp;deals</p>",
    },
]
HIT_KEYS = {"term", "entity", "field", "start", "end", "text"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "c.yaml").write_text(CONFIG)
    lines = [json.dumps(story) for story in STORIES]
    lines[3:3] = ["this is not JSON", '{"title": "no id"}']
    (tmp_path / "stories.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def replayed(place: Path, *more: str) -> list[dict[str, Any]]:
    code, out, err = run(
        "replay", "stories.jsonl", "--config", "c.yaml", "--json", *more, cwd=place
    )
    assert code == 0, err
    assert all(line.isascii() for line in out)
    return [json.loads(line) for line in out]


def test_replay_decides_every_line_in_order(place: Path) -> None:
    lines = replayed(place)
    assert [line.get("id", line.get("input")) for line in lines] == [
        "a", 7, "c", 4, 5, "d", "e", "f\u2028",
    ]  # fmt: skip
    first, second, copy, bad, nameless, one, two, _ = lines
    assert set(first) == {
        "id", "rules", "duplicate_of", "story", "entities", "summary", "alert",
    }  # fmt: skip
    assert first["alert"] == "new"
    assert first["entities"] == ["SY"]
    assert "several arms deals with Syria’s government" in first["summary"]
    (match,) = first["rules"]
    assert 0 <= match["score"] <= 1
    for hit in match["hits"]:
        assert set(hit) == HIT_KEYS
        assert STORIES[0][hit["field"]][hit["start"] : hit["end"]] == hit["text"]
    assert (second["rules"], second["alert"]) == ([], "none")
    assert (copy["duplicate_of"], copy["story"]) == ("a", first["story"])
    assert copy["alert"] != "new"
    assert set(bad) == {"input", "error"}
    assert set(nameless) == {"input", "error"}
    assert one["story"] != two["story"], "`key` keeps two vulnerabilities apart"
    assert (one["alert"], two["alert"]) == ("new", "new")


def test_replay_keeps_nothing_unless_asked(place: Path) -> None:
    assert replayed(place)[0]["alert"] == "new"
    assert {path.name for path in place.iterdir()} == {"c.yaml", "stories.jsonl"}
    assert replayed(place, "--state", "kept")[0]["alert"] == "new"
    assert "new" not in {line.get("alert") for line in replayed(place, "--state", "kept")}


def test_match_gives_rules_only(place: Path) -> None:
    stdin = (place / "stories.jsonl").read_text()
    code, out, err = run("match", "--config", "c.yaml", "--json", cwd=place, stdin=stdin)
    assert code == 0, err
    lines = [json.loads(line) for line in out]
    assert [set(line) for line in lines if "error" not in line] == [{"id", "rules"}] * 6
    whole = [line for line in replayed(place) if "error" not in line]
    assert [line["rules"] for line in lines if "error" not in line] == [
        line["rules"] for line in whole
    ]


@pytest.mark.parametrize("command", ["match", "replay"])
def test_a_configuration_without_feeds_or_rules_is_fine(command: str, place: Path) -> None:
    (place / "c.yaml").write_text("{}\n")
    code, out, err = run(command, "stories.jsonl", "--config", "c.yaml", "--json", cwd=place)
    assert (code, len(out)) == (0, 8), err


def test_parse_needs_no_configuration_and_gives_every_key(tmp_path: Path) -> None:
    feed = str(ROOT / "monitor/demo/world.xml")
    (tmp_path / "page.html").write_text("<html><title>Log in</title><form></form></html>")
    code, out, err = run("parse", feed, "page.html", "missing.xml", "--json", cwd=tmp_path)
    assert code == 0, err
    good, page, missing = (json.loads(line) for line in out)
    assert set(good) == {"input", "feed", "entries"}
    assert set(good["feed"]) == {"title", "url", "site_url", "language", "ttl"}
    assert {frozenset(entry) for entry in good["entries"]} == {
        frozenset({
            "id", "url", "title", "summary", "content", "published", "updated", "authors",
            "categories", "language",
        })
    }  # fmt: skip
    assert good["entries"][0]["id"] == "sample-wire-1"
    assert good["entries"][0]["published"] == "2012-03-13T12:00:00Z"
    assert set(page) == set(missing) == {"input", "error"}


def test_extract_gives_the_article(tmp_path: Path) -> None:
    paragraphs = "".join(
        f"<p>The harbour authority said in its report number {n} that ships waited for days "
        "because the crane had not been repaired, and that talks would go on.</p>"
        for n in range(6)
    )
    (tmp_path / "a.html").write_text(
        f"<html><head><title>Ships wait</title></head><body><nav>Home | Sport</nav>"
        f"<article><h1>Ships wait</h1>{paragraphs}</article></body></html>"
    )
    code, out, err = run("extract", "a.html", "--json", cwd=tmp_path)
    assert code == 0, err
    (line,) = (json.loads(line) for line in out)
    assert set(line) == {"input", "title", "text", "published", "language", "site"}
    assert "report number 3" in line["text"]
    assert "Home | Sport" not in line["text"]
