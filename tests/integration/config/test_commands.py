"""`check` and `init` as people and machines call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from monitor.config.load import load
from monitor.config.starter import catalogue, chosen, starter
from monitor.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]
GOOD = """\
feeds: ['https://a.org/']
channels: {news: {console: true, mention: U012AB3CD}}
defaults: {channel: news}
rules:
  - name: A
    match: 'arms AND (Syria OR "Northern Mali")'
"""


def newswatch(
    *words: str, cwd: Path, stdin: str = "", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "bot.py"), *words],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )


def test_check_a_good_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(GOOD)
    done = newswatch("check", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "config.yaml: fine (1 feed, 1 rule, 1 channel, 0 routes)\n"


def test_check_names_every_error_on_one_line(tmp_path: Path) -> None:
    text = GOOD.replace("match:", "mach:").replace("https://a.org/", "htp://a.org/")
    (tmp_path / "config.yaml").write_text(text)
    done = newswatch("check", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "config.yaml:1:9: error: the scheme `htp:` is not supported (use http or https)",
        "config.yaml:6:5: error: unknown key `mach` in `rules` (did you mean `match`?)",
        "config.yaml: 2 errors",
    ]


def test_check_places_an_error_inside_a_query(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(GOOD.replace("(", "").replace(")", ""))
    done = newswatch("check", cwd=tmp_path)
    assert done.returncode == 2
    line = done.stderr.splitlines()[0]
    assert line.startswith("config.yaml:6:")
    assert int(line.split(":")[2]) > 12
    assert "Traceback" not in done.stderr


def test_check_as_json(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(GOOD.replace("'https://a.org/'", ""))
    done = newswatch("check", "--json", cwd=tmp_path)
    data = json.loads(done.stdout)
    assert done.returncode == 1
    assert data["ok"] is True
    assert (data["feeds"], data["rules"]) == (0, 1)
    assert data["problems"][0]["level"] == "warning"
    path.write_text("rules: [{name: R, nay: [x]}]\n")
    done = newswatch("check", "--json", cwd=tmp_path)
    data = json.loads(done.stdout)
    assert done.returncode == 2
    assert data["ok"] is False
    assert data["problems"][0] == {
        "level": "error",
        "message": "unknown key `nay` in `rules`",
        "hint": "did you mean `any`?",
        "file": "config.yaml",
        "line": 1,
        "column": 19,
        "excerpt": None,
    }


def test_config_09_print_config_masks_secrets(tmp_path: Path) -> None:
    text = GOOD + "slack: {token: '${T}'}\nstate: postgresql://u:${P}@h/d\n"
    text = text.replace("https://a.org/", "https://a.org/?k=${P}")
    (tmp_path / "config.yaml").write_text(text)
    env = {"T": "xoxb-1-canarycanary", "P": 'canary"word'}
    for words in (["--print-config"], ["--print-config", "--json"]):
        done = newswatch("check", *words, cwd=tmp_path, env=env)
        assert done.returncode == 0
        assert "canary" not in done.stdout + done.stderr
        assert "**********" in done.stdout


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_check_without_a_file(tmp_path: Path, name: str) -> None:
    done = newswatch("check", "-c", name, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{name}:1:1: error: ")
    assert "Traceback" not in done.stderr


def test_init_without_questions(tmp_path: Path) -> None:
    words = ["init", "--topic", 'Syria, coup: "Mali", =US', "--to", "#desk", "--region", "france"]
    done = newswatch(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    path = tmp_path / "config.yaml"
    assert path.read_text().startswith("# yaml-language-server: $schema=./newswatch.schema.json\n")
    assert json.loads((tmp_path / "newswatch.schema.json").read_text())["title"]
    settings = load(path, {}).settings
    assert settings.rules[0].any == ["entity:Syria", 'coup: "Mali"', "=US"]
    assert settings.channels["news"].slack == "#desk"
    assert {feed.country for feed in settings.feeds} == {"FR"}
    assert newswatch("check", cwd=tmp_path).returncode == 0
    before = path.read_bytes()
    again = newswatch(*words[:1], "--topic", "x", *words[3:], cwd=tmp_path)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert path.read_bytes() == before
    forced = newswatch(*words[:1], "--force", "--topic", "Mali", *words[3:], cwd=tmp_path)
    assert forced.returncode == 0
    assert load(path, {}).settings.rules[0].any == ["entity:Mali"]


def test_init_asks_three_questions(tmp_path: Path) -> None:
    done = newswatch("init", cwd=tmp_path, stdin="arms deal + Syria\n\n\n")
    assert done.returncode == 0
    assert "In other languages: arabic" in done.stderr
    assert "[world, middle-east, defence]" in done.stderr
    for number in "123":
        assert f"{number}. " in done.stderr
    settings = load(tmp_path / "config.yaml", {}).settings
    assert settings.channels["news"].console
    assert {feed.tags[0] for feed in settings.feeds} == {"world", "middle-east", "defence"}
    assert settings.rules[0].all == ["arms deal", "entity:Syria"]
    assert newswatch("check", cwd=tmp_path).returncode == 0
    tested = newswatch("test", cwd=tmp_path)
    assert tested.stdout.startswith("1 examples pass, 0 fail")


@pytest.mark.parametrize(
    ("options", "tags"),
    [
        (["--region", "auto"], {"world", "cyber-security"}),
        (["--region", "africa, africa-french", "--language", "FR"], {"africa-french"}),
        (["--language", "pt"], {"portugal", "brazil"}),
    ],
)
def test_init_chooses_feeds(tmp_path: Path, options: list[str], tags: set[str]) -> None:
    words = ["init", "--topic", "ransomware, /x\\d/", "--to", "console", *options]
    done = newswatch(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    settings = load(tmp_path / "config.yaml", {}).settings
    assert {feed.tags[0] for feed in settings.feeds} == tags
    assert settings.rules[0].any == ["ransomware", "/x\\d/"]


def test_init_with_nobody_to_ask(tmp_path: Path) -> None:
    done = newswatch("init", cwd=tmp_path)
    assert done.returncode == 2
    assert "--topic" in done.stderr
    assert os.listdir(tmp_path) == []


REFUSED = [
    ("Syria", "#news", "mars", "unknown region 'mars'"),
    ("Syria", "two words", "world", "can't be a Slack channel"),
    (" , ", "console", "world", "at least one word"),
]


@pytest.mark.parametrize(("topic", "to", "region", "message"), REFUSED)
def test_answers_that_cannot_be_used(topic: str, to: str, region: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        starter(topic, to, chosen(region))


def test_the_whole_catalogue_gives_a_file_that_loads(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    topic = "Syria, #tag, {x}, a: b, it's, 50%, C++ + D"
    path.write_text(starter(topic, "console", catalogue()))
    loaded = load(path, {})
    assert loaded.warnings == ()
    rule = loaded.settings.rules[0]
    assert rule.any == ["Syria", "#tag", "{x}", "a: b", "it's", "50%", {"all": ["C++", "D"]}]
    assert len(loaded.settings.feeds) > 300


def test_the_catalogue_is_in_order() -> None:
    names: dict[str, str] = {}
    for section in catalogue():
        assert section.feeds
        assert len({url for _, _, url in section.feeds}) == len(section.feeds), section.key
        for name, country, url in section.feeds:
            assert names.setdefault(name, url) == url, name  # a name in two sections: one feed
            assert len(country) == 2, name
            assert url.startswith("https://"), url
            assert " " not in url, url
        if section.language:
            assert section.language == section.language.lower()
