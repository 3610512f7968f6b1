"""A parsed poll as bytes: what the worker that read a feed hands over to the one that decides."""

from __future__ import annotations

import zlib
from dataclasses import replace

from pydantic import ConfigDict, TypeAdapter

from monitor.pipeline.polls import Polled
from monitor.sources.outcome import FetchOutcome
from monitor.store.port import FeedState
from monitor.values import ParsedFeed

_READ: TypeAdapter[tuple[FeedState, FetchOutcome, ParsedFeed]] = TypeAdapter(
    tuple[FeedState, FetchOutcome, ParsedFeed],
    config=ConfigDict(ser_json_bytes="base64", val_json_bytes="base64"),
)


def to_payload(polled: Polled) -> bytes:
    """Return a parsed poll as bytes for the inbox; the body itself is no longer needed."""
    assert polled.parsed is not None
    outcome = FetchOutcome(
        **{
            name: getattr(polled.outcome, name)
            for name in FetchOutcome.__dataclass_fields__
            if name != "body"
        }
    )
    state = replace(polled.state, extra=dict(polled.state.extra))  # packed in memory
    return zlib.compress(_READ.dump_json((state, outcome, polled.parsed)), 1)


def from_payload(payload: bytes) -> tuple[FeedState, FetchOutcome, ParsedFeed]:
    """Return what ``to_payload`` wrote; raises ``ValueError`` for what another version wrote."""
    try:
        return _READ.validate_json(zlib.decompress(payload))
    except zlib.error as error:
        raise ValueError(str(error)) from error
