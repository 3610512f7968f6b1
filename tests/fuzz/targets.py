"""What is fuzzed: each target takes any bytes, and raises only where the product is at fault.

The feed target follows a document from the wire to the message as the daemon does: parsed as the
parse worker does it, matched, made a story, summed up, planned, rendered, and judged by the strict
stand-in for Slack.
"""

from __future__ import annotations

import asyncio
import sys
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped,unused-ignore]

from monitor.codec import alert_from_json
from monitor.config.load import feeds, load
from monitor.config.models import Settings
from monitor.delivery.console import lines
from monitor.delivery.slack.render import render
from monitor.errors import BodyRefused, ConfigError, Problem
from monitor.loading import compiled_watch
from monitor.pipeline.documents import document_of
from monitor.review.replay import Replayer
from monitor.rules import compile_rules
from monitor.rules.explain import explain
from monitor.rules.language.importing import import_query
from monitor.sources.decode import decode_body
from monitor.sources.parse.worker import _answer
from monitor.stories.index import StoryIndex
from monitor.values import Document, Feed, ParsedFeed
from tests.unit.delivery.test_injection import assert_safe

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SLOW = 2.0  # seconds of CPU: more is a hang
ENTRIES = 25  # of a document that go all the way
RULES = [
    {"name": "Words", "any": ["zebrafish", "harbour*", "=IT", "arms deal", "=Yak-130", "сирия"]},
    {"name": "Near", "match": '(strike OR "peace talks") NEAR/5 (pilots OR harbour)'},
    {"name": "Pattern", "any": [r"/CVE-\d{4}-\d{4,7}/"], "key": r"/CVE-\d{4}-\d{4,7}/"},
    {"name": "Places", "entities": {"any": ["Syria", "France"]}},
    {"name": "First", "match": "FIRST/20 (court OR glacier*) AND NOT title:football"},
    {"name": "All", "any": ["a*bc*", "the", "e"], "min_score": 0},
]
FEED = Feed(key="http://n.example/feed", url="http://n.example/feed", name="Wire", tags=("wire",))


class Hang(AssertionError):
    """An input took more than ``SLOW`` seconds."""


@cache
def _rules() -> tuple[Settings, Any]:
    settings = Settings.model_validate({"rules": RULES})
    return settings, compile_rules(settings, NOW.date(), lenient=True).ruleset


def feed(data: bytes) -> None:
    """A feed's body, from the wire to the message."""
    kind, value = _answer("parse", data, {"content_type": None, "url": FEED.url}, 0)
    if kind == "error":
        assert isinstance(value[0], str)
        assert value[1] != "parser_failed", value[0]
        return
    assert isinstance(value, ParsedFeed)
    asyncio.run(_alerted(value))


async def _alerted(parsed: ParsedFeed) -> None:
    settings, ruleset = _rules()
    replayer = Replayer(settings, ruleset, StoryIndex(), None)
    replayer.start_at(NOW)
    for number, entry in enumerate(parsed.entries[:ENTRIES]):
        document = document_of(f"01{number:024}", FEED, parsed, entry, NOW)
        await replayer.take(document)
    for rows in replayer._rows.values():
        for row in rows:
            alert = alert_from_json(row.payload)
            assert_safe(render(alert, delivery_id=row.id, buttons=True))
            "\n".join(lines(alert)).encode("utf-8")


def query(data: bytes) -> None:
    """A query: read, compiled, matched and explained, or refused with its place."""
    text = data.decode("utf-8", "replace")
    settings = Settings.model_validate({"rules": [{"name": "R", "match": text or "x"}]})
    compiled = compile_rules(settings, NOW.date(), lenient=True)
    for problem in compiled.problems:
        assert problem.message
        assert problem.offset is None or 0 <= problem.offset <= len(text)
    documents = [DOCUMENT, Document("2", text[:300], text, url="http://n.example/2")]
    for document in documents:
        matches = compiled.ruleset.match(document)
        if compiled.ruleset.rules:
            explained = explain(settings, "R", document, NOW.date())
            assert explained.fires == bool(matches), text
        for match in matches:
            for hit in match.hits:
                field = getattr(document, hit.field)
                assert field[hit.start : hit.end] == hit.text
    import_query(text, "factiva")


DOCUMENT = Document(
    "1",
    "Harbour pilots end their strike after nine days of talks in Gdansk",
    "Russia will fulfill several existing arms deals with Syria, the minister says. "
    "Auditors of the bank found gaps in the accounts; CVE-2026-12345 played no part.",
    url="http://n.example/1",
    source="Wire",
    language="en",
)


def config(data: bytes) -> None:
    """A configuration: loaded and compiled, or refused with every problem in one line each."""
    path = Path("/nowhere/config.yaml")
    problems: tuple[Problem, ...]
    try:
        loaded = load(path, {"TOKEN": SECRET}, overlay={path: data})
        feeds(loaded)
        _, problems = compiled_watch(loaded)
    except ConfigError as error:
        problems = error.problems or (Problem(""),)
    for problem in problems:
        assert problem.message
        assert SECRET not in str(problem)
        assert str(problem).isprintable() or problem.excerpt


SECRET = "xoxb-secret-secret"
ENCODINGS = ("gzip", "deflate", "br", "zstd", "x-gzip", "identity", "gzip, gzip", "exi")
MOST = 1 << 20


def decoders(data: bytes) -> None:
    """A compressed body: what comes out is what a well-known decoder makes of it, or a refusal.

    The first byte chooses the encoding.
    """
    encoding, raw = ENCODINGS[data[0] % len(ENCODINGS)] if data else "gzip", data[1:]
    try:
        body = decode_body(raw, encoding, limit=MOST, ratio=200)
    except BodyRefused:
        return
    assert len(body) <= MOST
    if raw and encoding in _REFERENCE:
        assert body == _REFERENCE[encoding](raw), "differs from the reference"


def _reference_gzip(raw: bytes) -> bytes:
    out = b""
    while raw[:2] == b"\x1f\x8b":
        decoder = zlib.decompressobj(31)
        out += decoder.decompress(raw)
        raw = decoder.unused_data
    return out


def _reference_deflate(raw: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(raw)
    except zlib.error:
        return zlib.decompressobj(-15).decompress(raw)


def _reference_zstd(raw: bytes) -> bytes:
    out = b""
    while True:
        decoder = zstd.ZstdDecompressor()
        out += decoder.decompress(raw)
        raw = decoder.unused_data
        if raw[:4] != b"\x28\xb5\x2f\xfd":  # what follows the last frame is not part of it
            return out


_REFERENCE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _reference_gzip,
    "x-gzip": _reference_gzip,
    "deflate": _reference_deflate,
    "br": lambda raw: bytes(brotli.decompress(raw)),
    "zstd": _reference_zstd,
    "identity": bytes,
}

TARGETS: dict[str, Callable[[bytes], None]] = {
    "feed": feed,
    "query": query,
    "config": config,
    "decoders": decoders,
}


def judged(target: Callable[[bytes], None], data: bytes) -> float:
    """Run ``target`` on ``data``; returns the seconds of CPU it took. Raises what is at fault."""
    began = time.process_time()
    target(data)
    took = time.process_time() - began
    if took > SLOW:
        raise Hang(f"{took:.1f} s for {len(data)} bytes")
    return took
