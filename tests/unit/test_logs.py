"""What leaves through the log: readable or JSON, no secret, no raw control character."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from monitor import logs

HOSTILE = "a\x1b[31mred\nforged line\r\u202egnp.exe\u2028next\ud800"
SECRETS = [
    "xoxb-123-456-abcDEF",
    "xapp-1-A1-2-deadbeef",
    "https://hooks.slack.com/services/T000/B000/xyz",
    "https://user:hunter2@feeds.example/rss",
]


@pytest.fixture(autouse=True)
def untouched_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def logged(as_json: bool, message: str, secrets: tuple[str, ...] = (), **extra: object) -> str:
    stream = io.StringIO()
    logs.setup(stream=stream, as_json=as_json).add(secrets)
    logging.getLogger("monitor.test").info(message, extra=extra)
    return stream.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_hostile_text_stays_on_one_line_without_control_characters(as_json: bool) -> None:
    line = logged(as_json, HOSTILE, title=HOSTILE)
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert line[:-1].isprintable()


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("secret", SECRETS)
def test_secret_shapes_are_redacted(as_json: bool, secret: str) -> None:
    line = logged(as_json, f"posting to {secret}", url=secret)
    for part in ("123-456", "deadbeef", "B000", "hunter2"):
        assert part not in line


def test_known_values_are_redacted_also_in_tracebacks() -> None:
    stream = io.StringIO()
    logs.setup(stream=stream, as_json=True).add(["s3cr3t-canary"])
    try:
        raise ValueError("token s3cr3t-canary is bad")
    except ValueError:
        logging.getLogger("monitor.test").exception("failed with s3cr3t-canary")
    assert "canary" not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


def test_json_lines_carry_their_extras_typed() -> None:
    line = json.loads(logged(True, "feed polled", feed="https://a/b", entries=3, ok=True, at=None))
    assert line["message"] == "feed polled"
    assert (line["feed"], line["entries"], line["ok"], line["at"]) == ("https://a/b", 3, True, None)


def test_a_long_value_is_cut() -> None:
    assert len(logged(False, "x", title="y" * 100_000)) < 5_000
