"""Rows of the attack list that need more than the loader: rules, logs, the network's settings."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest

from monitor import logs
from monitor.config.load import load
from monitor.errors import ConfigError
from monitor.loading import compiled_watch
from tests.unit.config.samples import loaded, refused, write

TOKEN = "xoxb-canary-canary-canary"

RULES = [
    ("CONFIG-13", "any: ['']", "empty term", "1:25"),
    ("REDOS-09", "any: ['/((a{100}){100}){100}/']", "regular expression refused", None),
    ("REDOS-10", "any: ['/(?=a)/']", "look-ahead", None),
    ("REDOS-10-back", "any: ['/(a)\\1/']", "back-reference", None),
    ("REDOS-12", "any: ['/(\\pL{1,500}x){1,200}/']", "regular expression", None),
]


@pytest.mark.parametrize(
    ("clause", "message", "at"), [row[1:] for row in RULES], ids=[row[0] for row in RULES]
)
def test_rules_refused_with_their_place(
    tmp_path: Path, clause: str, message: str, at: str | None
) -> None:
    with pytest.raises(ConfigError) as raised:
        compiled_watch(loaded(tmp_path, f"rules: [{{name: R, {clause}}}]\n"))
    problem = raised.value.problems[0]
    assert message in problem.message
    assert problem.place is not None
    assert problem.place.line == 1
    assert at is None or f"1:{problem.place.column}" == at


def test_config_14_a_term_that_never_fires_is_a_warning(tmp_path: Path) -> None:
    text = 'rules: [{name: R, any: [x y, "\\u200b"]}]\n'
    _, problems = compiled_watch(loaded(tmp_path, text))
    warnings = [problem for problem in problems if problem.level == "warning"]
    assert any("never" in problem.message for problem in warnings), problems


@pytest.mark.parametrize("as_json", [True, False])
def test_config_10_a_traceback_with_a_token(tmp_path: Path, as_json: bool) -> None:
    settings = loaded(tmp_path, "slack: {token: '${T}'}\nfeeds: ['https://a.org/?k=${K}']\n",
                      {"T": TOKEN, "K": "plain-canary"})  # fmt: skip
    redactor = logs.Redactor()
    redactor.add(settings.secrets)
    for secret in (TOKEN, "plain-canary"):
        assert "canary" not in redactor.clean(f"Traceback: ValueError({secret!r})")
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    formatter = (
        logs.JsonFormatter(redactor) if as_json else logs.HumanFormatter(redactor, colour=False)
    )
    handler.setFormatter(formatter)
    logger = logging.Logger("attack")
    logger.addHandler(handler)
    try:
        raise ValueError(f"bad token {TOKEN}")
    except ValueError:
        logger.exception("failed with %s", TOKEN, extra={"feed": "https://a.org/?k=plain-canary"})
    assert "canary" not in out.getvalue()
    if as_json:
        json.loads(out.getvalue())


def test_config_11_a_user_name_in_an_address_is_refused_and_redacted(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, "feeds: ['https://u:canary@h.org/']\n")
    assert "canary" not in str(problem)
    assert "canary" not in logs.Redactor().clean("fetching https://u:canary@h.org/")


def test_ssrf_70_networks_that_feeds_may_be_on(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "network: {allow: [10.1.2.0/24, '2001:db8::/32']}\n").settings
    assert settings.network.allow == ["10.1.2.0/24", "2001:db8::/32"]


def test_ssrf_68_a_proxy_comes_from_the_configuration_alone(tmp_path: Path) -> None:
    env = {"HTTP_PROXY": "http://evil:1", "ALL_PROXY": "http://evil:1"}
    assert loaded(tmp_path, "feeds: []\n", env).settings.network.proxy is None
    proxy = loaded(tmp_path, "network: {proxy: 'http://proxy:3128'}\n").settings.network.proxy
    assert proxy is not None
    assert proxy.get_secret_value() == "http://proxy:3128"


API = [
    ("http://evil.example/api/", False),
    ("http://127.0.0.1.evil.example/", False),
    ("http://[::1]:8000/api/", True),
    ("http://127.0.0.1:8000/api/", True),
    ("http://localhost:8000/", True),
    ("https://slack.example/api/", True),
    ("https://u:p@slack.example/", False),
    ("ftp://localhost/", False),
]


@pytest.mark.parametrize(("url", "taken"), API)
def test_ssrf_72_another_slack_api(tmp_path: Path, url: str, taken: bool) -> None:
    path = write(tmp_path, f"slack: {{api_url: '{url}'}}\n")
    if taken:
        assert load(path, {}).settings.slack.api_url == url
        return
    with pytest.raises(ConfigError, match="`api_url`"):
        load(path, {})
