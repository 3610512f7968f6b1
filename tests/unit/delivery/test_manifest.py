"""The app manifest has what the program uses, and no more."""

from __future__ import annotations

from pathlib import Path

import yaml

from monitor.delivery.slack.answers import CHANNEL_HINTS
from tests.fakeslack.server import NEEDS
from tests.fakeslack.workspace import SCOPES

MANIFEST = Path(__file__).parents[3] / "slack" / "manifest.yaml"


def test_the_scopes_are_those_of_the_methods_called() -> None:
    manifest = yaml.safe_load(MANIFEST.read_text())
    scopes = set(manifest["oauth_config"]["scopes"]["bot"])
    assert set(NEEDS.values()) <= scopes
    assert scopes == SCOPES


def test_buttons_and_watch_need_no_public_address() -> None:
    manifest = yaml.safe_load(MANIFEST.read_text())
    assert manifest["settings"]["socket_mode_enabled"] is True
    assert manifest["settings"]["interactivity"]["is_enabled"] is True
    assert "request_url" not in MANIFEST.read_text()
    assert manifest["features"]["slash_commands"][0]["command"] == "/watch"
    assert manifest["features"]["slash_commands"][0]["should_escape"] is True


def test_each_way_to_be_refused_says_what_to_do() -> None:
    assert all(hint for hint in CHANNEL_HINTS.values())
