"""What a fetch may cost, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from monitor.sources.slots import SlotLimits
from monitor.store.port import Validators

_BRISK = SlotLimits()
NO_VALIDATORS = Validators()


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Bounds of one fetch and of all of them together.

    ``deadline`` (seconds) is for a whole fetch with its redirects, not counting the wait for a
    slot; ``connect`` (seconds) for one connection. ``wire`` and ``body`` are bytes before and
    after unpacking, ``ratio`` the largest factor between them beyond 1 MiB.
    """

    deadline: float = 30.0
    connect: float = 5.0
    wire: int = 10 * 1024 * 1024
    body: int = 20 * 1024 * 1024
    ratio: int = 200
    redirects: int = 5
    slots: SlotLimits = _BRISK


LIMITS = FetchLimits()


@dataclass(frozen=True, slots=True)
class FetchOutcome:
    """What became of one fetch.

    ``url`` is the last address asked; ``headers`` are the last answer's, with names in lower case.
    ``validators`` are to be stored with the committed entries of a clean parse and not otherwise.
    ``reason`` is a slug for counters ("" when fine), ``message`` says it in plain words with what
    to do. ``permanent_redirect`` is where an unbroken run of 301/308 from the asked address led.
    ``wire_bytes`` counts the body as it travelled, ``elapsed`` is in seconds. ``pushed_until`` is
    set when a WebSub hub sent this of its own accord: until when it goes on doing so.
    """

    status: Literal["not_modified", "same_body", "ok", "failed"]
    url: str
    body: bytes = field(default=b"", repr=False)
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    validators: Validators = NO_VALIDATORS
    http_status: int | None = None
    reason: str = ""
    message: str = ""
    retry_after: datetime | None = None
    fresh_until: datetime | None = None
    permanent_redirect: str | None = None
    gone: bool = False
    wire_bytes: int = 0
    elapsed: float = 0.0
    pushed_until: datetime | None = None


def failed(url: str, reason: str, message: str) -> FetchOutcome:
    """Return the outcome of a fetch that brought nothing."""
    return FetchOutcome("failed", url, reason=reason, message=message)
