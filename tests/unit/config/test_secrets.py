"""Secrets: only from outside the file, never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.load import load
from monitor.config.models import Settings
from monitor.errors import ConfigError
from tests.unit.config.samples import loaded, refused, write

TOKEN = "xoxb-123456789012-canary"
CANARY = "canary"

LITERALS = [
    ("bot token", f"slack: {{token: {TOKEN}}}\n", "a token in plain text"),
    ("app token", "slack: {app_token: xapp-1-A0-canary}\n", "a token in plain text"),
    (
        "webhook",
        "channels: {a: {webhook: 'https://hooks.slack.com/services/T0/B0/canary'}}\n",
        "a token in plain text",
    ),
    ("any token", "slack: {token: canary}\n", "`token` holds a secret in plain text"),
    (
        "password",
        "feeds: [{url: 'https://a.org/', auth: {user: u, password: canary}}]\n",
        "`password` holds a secret in plain text",
    ),
    (
        "header",
        "feeds: [{url: 'https://a.org/', headers: {Authorization: Bearer canary}}]\n",
        "`Authorization` holds a secret in plain text",
    ),
    (
        "hmac",
        "channels: {a: {webhook: 'http://127.0.0.1/', secret: canary}}\n",
        "`secret` holds a secret in plain text",
    ),
    ("in an address", "feeds: ['https://u:canary@a.org/']\n", "a user name or password"),
    (
        "in a rule's name",
        f"rules: [{{name: {TOKEN}, any: [x]}}]\n",
        "a token in plain text",
    ),
]


@pytest.mark.parametrize(
    ("text", "message"), [row[1:] for row in LITERALS], ids=[row[0] for row in LITERALS]
)
def test_literal_secrets_are_refused_and_not_shown(tmp_path: Path, text: str, message: str) -> None:
    problems = refused(tmp_path, text)
    assert any(message in problem.message for problem in problems)
    for problem in problems:
        assert CANARY not in str(problem) + problem.excerpt


def test_a_commented_token_is_not_minded(tmp_path: Path) -> None:
    assert loaded(tmp_path, f"# token: {TOKEN}\nslack: {{}}\n")


def test_config_07_unset_under_slack_is_absent(tmp_path: Path) -> None:
    for env in ({}, {"TOKEN": ""}):
        result = loaded(tmp_path, "slack: {token: '${TOKEN}', api_url: '${URL}'}\n", env)
        assert result.settings.slack.token is None
        assert result.settings.slack.api_url is None
        assert result.warnings == ()


def test_config_07_unset_under_channels_is_off_with_a_warning(tmp_path: Path) -> None:
    text = "channels:\n  pager: {apprise: '${PAGER}'}\nrules: [{name: R, any: [x], to: pager}]\n"
    result = loaded(tmp_path, text)
    assert not result.settings.channels["pager"].enabled
    (warning,) = result.warnings
    assert warning.level == "warning"
    assert warning.message == "${PAGER} is not set: the channel `pager` is off"
    assert warning.place is not None
    assert (warning.place.line, warning.place.column) == (2, 20)
    assert loaded(tmp_path, text, {"PAGER": "json://h"}).settings.channels["pager"].enabled


ELSEWHERE = [
    "feeds: ['${NOPE}/feed']",
    "state: ${NOPE}",
    "defaults: {timezone: '${NOPE}'}",
    "network: {proxy: '${NOPE}'}",
    "routes: [{to: '${NOPE}'}]",
    "feeds: [{url: 'https://a.org/', auth: {user: u, password: '${NOPE}'}}]",
]


@pytest.mark.parametrize("text", ELSEWHERE)
def test_config_07_unset_elsewhere_is_an_error(tmp_path: Path, text: str) -> None:
    (problem,) = refused(tmp_path, text + "\n")
    assert problem.message == "${NOPE} is not set"


TEXTS = [
    "rules: [{name: R, any: ['${HOME}']}]",
    "rules: [{name: R, match: '${HOME}'}]",
    "lists: {a: ['${HOME}']}",
    "entities: {A: {aliases: ['${HOME}']}}",
]


@pytest.mark.parametrize("text", TEXTS)
def test_config_07_no_variables_in_rules(tmp_path: Path, text: str) -> None:
    (problem,) = refused(tmp_path, text + "\n", {"HOME": CANARY})
    assert "variables are not replaced" in problem.message
    assert CANARY not in str(problem)


def test_config_07_never_twice(tmp_path: Path) -> None:
    env = {"A": "https://example.org/${B}", "B": CANARY}
    result = loaded(tmp_path, "feeds: ['${A}']\n", env)
    assert result.settings.feeds[0].url == "https://example.org/${B}"


def test_config_07_never_twice_behind_an_alias(tmp_path: Path) -> None:
    text = "channels: {a: &a {webhook: 'http://127.0.0.1/${A}'}, b: *a}\n"
    channels = loaded(tmp_path, text, {"A": "${B}", "B": CANARY}).settings.channels
    for channel in channels.values():
        assert channel.webhook is not None
        assert channel.webhook.get_secret_value() == "http://127.0.0.1/${B}"


def test_config_07_inside_a_longer_text(tmp_path: Path) -> None:
    text = "state: postgresql://${USER}:${PASS}@${HOST}/news\n"
    result = loaded(tmp_path, text, {"USER": "u", "PASS": CANARY, "HOST": "db"})
    assert result.settings.state == f"postgresql://u:{CANARY}@db/news"
    assert CANARY in result.secrets
    assert CANARY not in repr(result)


@pytest.mark.parametrize("text", ["${}", "${A B}", "${A:-x}", "${0}"])
def test_what_is_not_a_variable(tmp_path: Path, text: str) -> None:
    problems = refused(tmp_path, f"state: '{text}'\n", {"A": "x"})
    assert any("is not a variable" in problem.message for problem in problems)


def test_secret_files(tmp_path: Path) -> None:
    write(tmp_path, f"{TOKEN}\n", "secrets/token").chmod(0o600)
    result = loaded(tmp_path, "slack: {token_file: secrets/token}\n")
    assert result.settings.slack.token is not None
    assert result.settings.slack.token.get_secret_value() == TOKEN
    assert result.secrets == {TOKEN}
    assert result.secret_files == (tmp_path / "secrets/token",)
    assert result.warnings == ()


def test_config_08_a_secret_file_others_may_read(tmp_path: Path) -> None:
    write(tmp_path, TOKEN, "token").chmod(0o644)
    (warning,) = loaded(tmp_path, "slack: {token_file: token}\n").warnings
    assert warning.level == "warning"
    assert "others may read it (mode 0644)" in warning.message
    assert warning.hint == "chmod 600"


def test_config_08_an_address_with_a_secret_in_a_file_others_may_read(tmp_path: Path) -> None:
    text = "channels: {a: {webhook: 'https://example.org/hook/canary'}}\n"
    path = write(tmp_path, text)
    path.chmod(0o644)
    (warning,) = load(path, {}).warnings
    assert "others may read it (mode 0644)" in warning.message
    path.chmod(0o600)
    assert load(path, {}).warnings == ()
    harmless = write(tmp_path, "network: {proxy: 'http://proxy:3128'}\nstate: postgresql:///news\n")
    assert load(harmless, {}).warnings == ()


FILES = [
    ("missing", "slack: {token_file: nowhere}", "No such file"),
    ("folder", "slack: {token_file: .}", "Is a directory"),
    ("empty", "slack: {token_file: empty}", "is empty"),
    ("both", "slack: {token_file: empty, token: '${T}'}", "are both given"),
]


@pytest.mark.parametrize(
    ("text", "message"), [row[1:] for row in FILES], ids=[row[0] for row in FILES]
)
def test_secret_files_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "\n", "empty")
    problems = refused(tmp_path, text + "\n", {"T": "xoxb-1-abcdefgh"})
    assert any(message in problem.message for problem in problems)


def test_config_09_settings_never_show_a_secret(tmp_path: Path) -> None:
    text = (
        "slack: {token: '${T}', webhook: '${W}'}\n"
        "channels: {a: {apprise: '${P}'}, b: {discord: '${D}'}}\n"
        "network: {proxy: 'http://u:${P}@proxy:1'}\nweb: {token: '${W}'}\n"
    )
    env = {
        "T": TOKEN,
        "W": f"https://hooks.slack.com/services/T/B/{CANARY}",
        "P": CANARY,
        "D": f"https://discord.com/api/webhooks/1/{CANARY}",
    }
    result = loaded(tmp_path, text, env)
    settings: Settings = result.settings
    for shown in (repr(result), repr(settings), str(settings), settings.model_dump_json()):
        assert CANARY not in shown
    assert {TOKEN, CANARY, env["W"], env["D"]} <= result.secrets


BAD_SECRETS = [
    ("slack: {webhook: '${S}'}", "ftp://canary.example/"),
    ("slack: {webhook: '${S}'}", "http://canary.example/"),
    ("network: {proxy: '${S}'}", "canary"),
    ("feeds: ['${S}']", "ftp://canary/"),
    ("feeds: ['https://a.org/${S}']", "can ary canary"),
    ("state: '${S}'", "mysql://u:canary@h/d"),
    ("channels: {a: {webhook: '${S}'}}", "canary"),
    ("web: {token: '${S}', listen: x}", "canary"),
]


@pytest.mark.parametrize(("text", "value"), BAD_SECRETS)
def test_an_error_never_shows_the_value_of_a_variable(
    tmp_path: Path, text: str, value: str
) -> None:
    path = write(tmp_path, text + "\n")
    with pytest.raises(ConfigError) as raised:
        load(path, {"S": value})
    assert CANARY not in str(raised.value)


def test_tokens_in_each_others_place(tmp_path: Path) -> None:
    text = "slack: {token: '${A}', app_token: '${B}'}\n"
    env = {"A": "xapp-1-abcdefgh", "B": "xoxb-1-abcdefgh"}
    first, second = refused(tmp_path, text, env)
    assert first.hint == "it belongs in `app_token`"
    assert second.hint == "it belongs in `token`"


def test_the_digest_knows_variables_and_secret_files(tmp_path: Path) -> None:
    text = "slack: {token: '${T}'}\n"
    one = loaded(tmp_path, text, {"T": "xoxb-1-one"})
    same = loaded(tmp_path, text, {"T": "xoxb-1-one", "UNUSED": "x"})
    two = loaded(tmp_path, text, {"T": "xoxb-1-two"})
    none = loaded(tmp_path, text)
    assert one.digest == same.digest
    assert len({one.digest, two.digest, none.digest}) == 3
    assert "one" not in one.digest


@pytest.mark.parametrize("value", ["xoxb-1234-secret", "xoxb-" + "long" * 40 + "-secret"])
def test_a_value_in_a_wrong_place_is_named_and_not_shown(tmp_path: Path, value: str) -> None:
    path = write(tmp_path, 'retention: {max_size: "${TOKEN}"}\nrules: []\n')
    with pytest.raises(ConfigError) as caught:
        load(path, {"TOKEN": value})
    said = "\n".join(f"{problem}\n{problem.excerpt}" for problem in caught.value.problems)
    assert "`${TOKEN}" in said
    assert value[:9] not in said
