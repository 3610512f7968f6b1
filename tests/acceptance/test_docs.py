"""Every command and every YAML snippet in the documentation is run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from monitor.cli.rules import failing_example
from monitor.config.load import load
from monitor.loading import compiled_watch
from tests.acceptance.process import ROOT, Process, run

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
# Generated from the code and checked against it by tests of their own.
GENERATED = {"configuration.md", "commands.md"}
FENCE = re.compile(r"^ *```(\w+)[^\n]*\n(.*?)^ *```", re.M | re.S)
NAMED_FILE = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```", re.M | re.S)
PREFIXES = (".venv/bin/python bot.py ", "python bot.py ", "newswatch ")
# Words that need a server, a person or a clean machine; each has an acceptance test of its own,
# or is a command of another program that the page names.
ELSEWHERE = {
    "run": "test_daemon.py",
    "init": "unit/config/test_init.py",
    "check --live": "test_live.py",
    "demo": "test_demo.py",
    "send-test": "integration/delivery",
    "worker": "integration/store",
    "web": "browser",
}
SETTINGS = {
    "channels": {
        "news": {"console": True},
        "syria": {"console": True},
        "pager": {"console": True},
        "ops": {"console": True},
    },
    "lists": {"arms": ["arms deal"], "banks": ["Sberbank"]},
}


@dataclass(frozen=True)
class Snippet:
    page: str
    number: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}#{self.number}"


def snippets(language: str) -> Iterator[Snippet]:
    for page in PAGES:
        if page.name in GENERATED:
            continue
        for number, found in enumerate(FENCE.finditer(page.read_text(encoding="utf-8")), 1):
            if found[1] == language:
                yield Snippet(str(page.relative_to(ROOT)), number, language, dedent(found[2]))


def commands() -> Iterator[tuple[str, str]]:
    for snippet in snippets("sh"):
        for line in snippet.text.splitlines():
            words = line.split("#")[0].strip()
            for prefix in PREFIXES:
                if words.startswith(prefix):
                    yield snippet.page, words.removeprefix(prefix)


def elsewhere(words: str) -> bool:
    return any(words == each or words.startswith(each + " ") for each in ELSEWHERE)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder as the documentation assumes it: the checkout's files, without a state."""
    shutil.copy(ROOT / "config.yaml", tmp_path)
    shutil.copytree(ROOT / "monitor" / "demo", tmp_path / "monitor" / "demo")
    return tmp_path


def test_there_is_something_to_run() -> None:
    assert len(list(commands())) >= 5
    assert len(list(snippets("yaml"))) >= 3


@pytest.mark.parametrize("snippet", list(snippets("yaml")), ids=str)
def test_yaml_snippets_load_and_compile(snippet: Snippet, place: Path) -> None:
    settings = yaml.safe_load(snippet.text)
    path = place / "snippet.yaml"
    text = snippet.text
    for key, value in SETTINGS.items():
        if key not in settings:
            text += yaml.safe_dump({key: value}, default_flow_style=None)
    (place / "secret").write_text("not-a-real-token\n")
    text = re.sub(r"(_file: )/[^\s,}]+", rf"\g<1>{place / 'secret'}", text)
    path.write_text(text, encoding="utf-8")
    environment = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "https://example.org/hook")
    compiled_watch(load(path, environment))


def test_the_cookbooks_rules_do_as_their_examples_say(place: Path) -> None:
    number = 0
    for snippet in snippets("yaml"):
        if not snippet.page.endswith("cookbook.md"):
            continue
        path = place / "cookbook.yaml"
        path.write_text(snippet.text, encoding="utf-8")
        settings = load(path, {}).settings
        for rule in settings.rules:
            number += 1
            assert rule.examples is not None, rule.name
            assert rule.examples.match, rule.name
            assert rule.examples.no_match, rule.name
            for text, expected in rule.examples.each():
                assert not failing_example(settings, rule, text, expected), (rule.name, text)
    assert number >= 20


@pytest.mark.parametrize(("page", "words"), list(commands()))
def test_commands_run(page: str, words: str, place: Path) -> None:
    if elsewhere(words):
        return
    for found in FENCE.finditer((ROOT / page).read_text(encoding="utf-8")):
        if found[1] == "yaml":
            (place / "watch.yaml").write_text(found[2], encoding="utf-8")
            break
    for name, text in NAMED_FILE.findall((ROOT / page).read_text(encoding="utf-8")):
        (place / name).write_text(text, encoding="utf-8")
    code, _, err = run(*shlex.split(words), cwd=place)
    assert code in (0, 1), err
    assert "Traceback" not in "\n".join(err)


def test_each_make_target_in_the_documentation_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        for target in re.findall(r"^make ([a-z-]+)", page.read_text(encoding="utf-8"), re.M):
            assert re.search(rf"^{target}:", makefile, re.M), f"{page.name}: make {target}"


def test_the_site_builds_without_a_warning_and_needs_nobody(tmp_path: Path) -> None:
    order = next(
        line.split("@.venv/bin/python ")[1].split()
        for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
        if "-m sphinx" in line
    )
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, *order[:-1], str(site)], cwd=ROOT, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(PAGES) - 2
    for page in pages:
        for address in re.findall(
            r"<(?:script|link|img|iframe)[^>]*?(?:src|href)=\"(https?:)?//", page.read_text("utf-8")
        ):
            raise AssertionError(f"{page.name} loads something from elsewhere: {address}")


@pytest.mark.parametrize("snippet", list(snippets("json")), ids=str)
def test_json_snippets_are_json(snippet: Snippet) -> None:
    json.loads(snippet.text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_tutorial_alerts_once_and_then_no_more(place: Path) -> None:
    text = (ROOT / "docs/tutorial/first-alert.md").read_text(encoding="utf-8")
    config = next(found[2] for found in FENCE.finditer(text) if found[1] == "yaml")
    (place / "watch.yaml").write_text(config, encoding="utf-8")
    code, out, err = run("once", "-c", "watch.yaml", cwd=place)
    assert (code, len(out)) == (0, 1), err
    assert run("once", "-c", "watch.yaml", cwd=place)[1] == []


def test_the_shipped_configuration_alerts_from_the_sample(place: Path) -> None:
    process = Process("run", cwd=place)
    try:
        process.wait_for("the sample's alert", lambda: process.out, timeout=15)
        assert "Arms deals with Syria" in process.out[0]
    finally:
        process.stop()
    assert len(process.out) == 1, process.log
