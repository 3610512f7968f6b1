"""The commands about rules, on a real store and a real file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.cli.app import app
from monitor.errors import ConfigError, UsageError

FEED = """<?xml version="1.0"?>
<rss version="2.0"><channel><title>Wire</title><link>https://wire.invalid/</link>
<item><guid>1</guid><title>Moscow keeps its word</title><link>https://wire.invalid/1</link>
<description>Russia will fulfill several existing arms deals with Syria.</description></item>
<item><guid>2</guid><title>Arms deal with Syria in a video game</title>
<link>https://wire.invalid/2</link><description>A review.</description></item>
<item><guid>3</guid><title>Rain</title><link>https://wire.invalid/3</link></item>
</channel></rss>
"""
CONFIG = """\
feeds:
  - {url: "file:feed.xml", name: Wire, first_run: alert}
rules:
  - name: Arms
    any: [arms deal]
    entities: [Syria]
    none: [video game]
    examples:
      match: ["Several arms deals with Syria"]
      no_match: ["Syria wins football friendly"]
  - name: Snow
    any: [snow]
"""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "feed.xml").write_text(FEED)
    (tmp_path / "config.yaml").write_text(CONFIG)
    assert run(tmp_path, "once").exit_code == 0
    return tmp_path


def run(folder: Path, *arguments: str) -> Result:
    config = str(folder / "config.yaml")
    place = 2 if arguments[0] == "rules" else 1
    return CliRunner().invoke(app, [*arguments[:place], "-c", config, *arguments[place:]])


def data(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_examples_pass_and_fail(folder: Path) -> None:
    assert run(folder, "test").exit_code == 0
    text = (folder / "config.yaml").read_text().replace("Several arms deals", "Several arm deals")
    (folder / "config.yaml").write_text(text)
    result = run(folder, "test")
    assert result.exit_code == 1
    assert 'missing: "arms deal"' in result.stdout


def test_try_finds_stored_stories(folder: Path) -> None:
    found = data(run(folder, "try", "arms NEAR/3 Syria", "--json"))
    assert [each["title"] for each in found] == [
        "Moscow keeps its word",
        "Arms deal with Syria in a video game",
    ]


def test_try_refuses_a_query_that_can_not_be_meant(folder: Path) -> None:
    result = run(folder, "try", "arms AND deal OR sale")
    assert isinstance(result.exception, ConfigError)
    assert "mixed without parentheses" in str(result.exception)


def test_explain_says_which_clause_holds(folder: Path) -> None:
    (found,) = data(run(folder, "explain", "Arms", "https://wire.invalid/2", "--json"))
    assert found["fires"] is False
    assert found["why_not"] == "vetoed: NOT \"video game\": 'video game' (title)"
    assert [clause["holds"] for clause in found["clauses"]] == [True, True, False]  # type: ignore[attr-defined]
    assert isinstance(
        run(folder, "explain", "No such", "https://wire.invalid/2").exception, UsageError
    )


def test_why_not_names_the_stage_and_the_term(folder: Path, tmp_path: Path) -> None:
    result = run(folder, "why-not", "https://wire.invalid/3")
    assert result.exit_code == 0
    assert "no rule matched" in result.stdout
    assert 'Arms: missing: "arms deal"' in result.stdout
    unknown = run(folder, "why-not", "https://wire.invalid/9")
    assert unknown.exit_code == 1
    assert "never seen" in unknown.stdout
    story = tmp_path / "story.txt"
    story.write_text("Snow falls\n\nIn the Alps.")
    assert "Snow: it fires" in run(folder, "why-not", str(story)).stdout


def test_backtest_counts_and_compares(folder: Path) -> None:
    (summary,) = data(run(folder, "backtest", "--json"))
    assert summary["stories"] == 3
    assert summary["rules"] == {"Arms": 1, "Snow": 0}
    assert summary["never_matched"] == ["Snow"]
    other = folder / "other.yaml"
    other.write_text(CONFIG.replace("    none: [video game]\n", ""))
    changes = data(run(folder, "backtest", "--json", "--against", str(other)))
    assert [(each["change"], each["rules"]) for each in changes] == [("lost", ["Arms"])]


def test_vetoes_show_what_they_took(folder: Path) -> None:
    (veto,) = data(run(folder, "rules", "vetoes", "--json"))
    assert (veto["rule"], veto["veto"], veto["stories"]) == ("Arms", '"video game"', 1)


def test_add_writes_a_rule_that_loads(folder: Path) -> None:
    query = '(sanction* OR "asset freeze") AND entity:Iran'
    result = run(folder, "rules", "add", query, "--name", "Iran: sanctions", "--severity", "high")
    assert result.exit_code == 0, result.exception
    assert run(folder, "try", "rain").exit_code == 0
    found = run(folder, "test", "Iran: sanctions")
    assert found.exit_code == 0
    assert 'OR "asset freeze") AND' in (folder / "config.yaml").read_text()
    before = (folder / "config.yaml").read_text()
    assert run(folder, "rules", "add", "a1 AND (").exception is not None
    assert (folder / "config.yaml").read_text() == before


@pytest.mark.parametrize(
    ("vendor", "source", "query"),
    [
        ("factiva", "oil near5 price and opec or iran", "(oil NEAR/4 price AND opec) OR iran"),
        ("lexis", "oil w/5 price and opec or iran", "oil NEAR/4 price AND (opec OR iran)"),
        ("meltwater", "oil NEAR price^2 AND title:opec", "oil NEAR/4 price AND title:opec"),
        ("factiva", "hd=(sanction$2 or embargo)", "title: (sanction* OR embargo)"),
        ("lexis", "atleast3(terroris!)", "ATLEAST/3 (terroris*)"),
        ("factiva", "russia same bank", "russia PARA bank"),
    ],
)
def test_import_translates_and_says_so(folder: Path, vendor: str, source: str, query: str) -> None:
    path = folder / "queries.txt"
    path.write_text(f"# theirs\n\n{source}\n")
    (found,) = data(run(folder, "rules", "import", str(path), "--from", vendor, "--json"))
    assert found["query"] == query
    assert found["errors"] == []
    assert found["changes"]


IMPORTS = Path(__file__).parents[2] / "unit" / "importers" / "data"


@pytest.mark.parametrize(
    ("source", "name", "rules", "feeds"),
    [
        ("trendradar", "frequency_words.txt", 5, 0),
        ("miniflux", "miniflux_feeds.json", 3, 3),
        ("monitorss", "monitorss.json", 4, 1),
    ],
)
def test_what_is_imported_loads(
    folder: Path, source: str, name: str, rules: int, feeds: int
) -> None:
    config = folder / "config.yaml"
    before = config.read_text()
    shown = run(folder, "rules", "import", str(IMPORTS / name), "--from", source)
    assert (shown.exit_code, config.read_text()) == (1, before)  # some of each can't be kept
    assert f"{rules} rules and {feeds} feeds; nothing is written yet" in shown.stderr
    assert f"+++ {config} (new)" in shown.stdout
    wrote = run(folder, "rules", "import", str(IMPORTS / name), "--from", source, "--write")
    assert "written" in wrote.stderr
    assert run(folder, "check").exit_code == 0
    after = config.read_text()
    assert "# changed: whole words" in after
    assert all(line in after.splitlines() for line in before.splitlines())
    again = run(folder, "rules", "import", str(IMPORTS / name), "--from", source, "--write")
    assert f"0 rules and 0 feeds, {rules} left out" in again.stderr
    assert config.read_text() == after


def test_import_into_an_included_file(folder: Path) -> None:
    config, into = folder / "config.yaml", folder / "rules.d" / "theirs.yaml"
    words = str(IMPORTS / "frequency_words.txt")
    order = ("rules", "import", words, "--from", "trendradar", "--into", str(into), "--write")
    refused = run(folder, *order)
    assert isinstance(refused.exception, ConfigError)
    assert "add `include: rules.d/*.yaml`" in str(refused.exception.problems[0])
    config.write_text(f"include: rules.d/*.yaml\n{config.read_text()}")
    before = config.read_text()
    assert run(folder, *order).exit_code == 1
    assert config.read_text() == before
    assert "- name: Chips" in into.read_text()
    assert run(folder, "check").exit_code == 0


def test_hostile_texts_are_texts(folder: Path) -> None:
    words = (
        "]}: #\n- x: &a *b\n\u2028rules: []\n\x07\x1b[31m bell\n'\"\\\n\n"
        "+!{{ %TAG\n=exact @entity list:no\n"
    )
    (folder / "words.txt").write_text(words, encoding="utf-8")
    order = ("rules", "import", str(folder / "words.txt"), "--from", "trendradar", "--write")
    assert "2 rules and 0 feeds; written" in run(folder, *order).stderr
    assert run(folder, "check").exit_code == 0
    text = (folder / "config.yaml").read_text(encoding="utf-8")
    assert text.startswith(CONFIG)
    assert "\x07" not in text


def test_import_of_what_is_not_theirs(folder: Path) -> None:
    (folder / "x.json").write_text("{nope")
    result = run(folder, "rules", "import", str(folder / "x.json"), "--from", "monitorss")
    assert isinstance(result.exception, UsageError)
    assert "not JSON" in str(result.exception)


# ---------------------------------------------------------------------------------------- matches
def test_matches_as_json_lines(folder: Path) -> None:
    (found,) = data(run(folder, "matches", "--json"))
    assert found["rule"] == "Arms"
    assert found["title"] == "Moscow keeps its word"
    assert found["url"] == "https://wire.invalid/1"
    hits = found["hits"]
    assert isinstance(hits, list)
    assert {hit["text"] for hit in hits} == {"arms deals", "Syria"}
    assert data(run(folder, "matches", "--json", "--rule", "Snow")) == []
    assert "1 matches" in run(folder, "matches").stderr
    for order in (("--rule", "Nope"), ("--atom",), ("--atom", "--rule", "Arms", "--json")):
        assert isinstance(run(folder, "matches", *order).exception, UsageError)


def test_the_feed_of_a_rule_is_an_atom_feed_with_stable_ids(folder: Path) -> None:
    import feedparser

    text = run(folder, "matches", "--atom", "--rule", "Arms").stdout
    read = feedparser.parse(text)
    assert (read.version, bool(read.bozo)) == ("atom10", False)
    (entry,) = read.entries
    assert entry.link == "https://wire.invalid/1"
    assert "arms deals with Syria" in entry.summary
    assert entry.author == "Wire"
    again = feedparser.parse(run(folder, "matches", "--atom", "--rule", "Arms").stdout)
    assert (again.feed.id, again.entries[0].id) == (read.feed.id, entry.id)
    none = feedparser.parse(run(folder, "matches", "--atom", "--rule", "Snow").stdout)
    assert (none.entries, bool(none.feed.updated), bool(none.bozo)) == ([], True, False)


def test_check_names_rules_that_fire_on_too_much(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.cli.broad.ENOUGH", 3)
    monkeypatch.setattr("monitor.cli.broad.SHARE", 0.5)
    assert "would have fired" not in run(folder, "check").stderr
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("any: [snow]", "any: [deal, rain, review]"))
    said = run(folder, "check").stderr
    assert (
        "config.yaml:11:11: note: rule 'Snow' would have fired 3 times in the last 7 days" in said
    )
    assert "'Arms'" not in said
    monkeypatch.setattr("monitor.cli.broad.MANY", 1)
    assert "rule 'Arms' would have fired once" in run(folder, "check").stderr


def test_check_looks_at_a_sample_where_time_is_short(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.cli.broad.MANY", 1)
    monkeypatch.setattr("monitor.cli.broad.PIECE", 1)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("any: [snow]", "any: [deal, rain, review]"))
    assert "fired 3 times" in run(folder, "check").stderr
    monkeypatch.setattr("monitor.cli.broad.SECONDS", 0.0)
    assert "rule 'Snow' would have fired about 3 times" in run(folder, "check").stderr


def test_check_makes_no_store(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "feed.xml").write_text(FEED)
    run(tmp_path, "check")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config.yaml", "feed.xml"]
