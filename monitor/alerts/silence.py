"""Silences: temporary mutes with an expiry, set by people while the watch runs.

A silence mutes the alerts whose labels it names, in all channels, until it ends; matching goes on,
and ``why-not`` names the silence. It never covers `critical`. With ``then="digest"`` what it muted
is held and comes as one digest at its end; else it isn't sent at all.

Silences are kept as one blob in the store, so that the command line, Slack and the web page set
them alike and a running daemon sees them at its next tick.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from pydantic import TypeAdapter

from monitor.alerts.route import Labels, matches
from monitor.errors import UsageError
from monitor.ids import new_id
from monitor.store.port import Store
from monitor.values import Severity

BLOB = "alerts/silences"
KEPT = timedelta(days=30)  # how long an ended silence is still listed
LABELS = (
    "rule",
    "source",
    "feed",
    "entities",
    "story",
    "severity",
    "tags",
    "category",
    "language",
    "country",
)
_SPELLINGS = {
    "rules": "rule",
    "sources": "source",
    "feeds": "feed",
    "entity": "entities",
    "stories": "story",
    "tag": "tags",
    "categories": "category",
    "languages": "language",
    "countries": "country",
}


@dataclass(frozen=True, slots=True)
class Silence:
    """A mute: ``when`` are labels with the values (globs) of which an alert must have one each.

    ``by`` is who set it. One that was expired early has that moment as its ``until``.
    """

    id: str
    when: tuple[tuple[str, tuple[str, ...]], ...]
    created: datetime
    until: datetime
    by: str = ""
    comment: str = ""
    then: Literal["drop", "digest"] = "drop"

    def active(self, now: datetime) -> bool:
        """Tell whether it is in force at ``now``."""
        return self.created <= now < self.until

    def words(self) -> str:
        """Return what it mutes, in words ("rule=Banks, source=Reuters")."""
        return ", ".join(f"{name}={'|'.join(values)}" for name, values in self.when)


_SILENCES = TypeAdapter(tuple[Silence, ...])


def muted_by(
    silences: Iterable[Silence], labels: Labels, rule: str, now: datetime
) -> Silence | None:
    """Return the silence that mutes an alert of ``rule``, or None; `critical` never is."""
    if labels.severity is Severity.CRITICAL:
        return None
    for silence in silences:
        if silence.active(now) and matches(dict(silence.when), labels, rule):
            return silence
    return None


def parse_matchers(texts: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Read ``label=value`` texts; raises ``UsageError``. A label named twice takes either value."""
    found: dict[str, list[str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().lower()
        name = _SPELLINGS.get(name, name)
        if not equals or not value.strip() or name not in LABELS:
            raise UsageError(
                f"{text!r} is not a matcher: write LABEL=VALUE, LABEL being one of "
                + ", ".join(LABELS)
            )
        found.setdefault(name, []).append(value.strip())
    if not found:
        raise UsageError("a silence needs a matcher, such as rule=Banks or source=Reuters")
    return tuple((name, tuple(values)) for name, values in found.items())


def make_silence(
    when: Sequence[tuple[str, tuple[str, ...]]],
    lasts: timedelta,
    now: datetime,
    *,
    by: str = "",
    comment: str = "",
    then: Literal["drop", "digest"] = "drop",
) -> Silence:
    """Return a silence that begins ``now`` and lasts ``lasts``; raises ``UsageError``."""
    if lasts <= timedelta(0):
        raise UsageError("a silence must last longer than nothing")
    return Silence(new_id(now), tuple(when), now, now + lasts, by, comment, then)


def read_silences(blob: bytes | None) -> tuple[Silence, ...]:
    """Return the silences of a stored blob."""
    return _SILENCES.validate_json(blob) if blob else ()


def silences_blob(silences: Sequence[Silence], now: datetime) -> bytes:
    """Return ``silences`` as stored, without those that ended long ago."""
    kept = tuple(each for each in silences if each.until > now - KEPT)
    return _SILENCES.dump_json(kept)


async def load_silences(store: Store) -> tuple[Silence, ...]:
    """Return all silences that are kept, ended ones included, oldest first."""
    return read_silences(await store.blob(BLOB))


async def add_silence(store: Store, silence: Silence) -> None:
    """Store one more silence."""
    silences = (*await load_silences(store), silence)
    await store.put_blobs({BLOB: silences_blob(silences, silence.created)})


async def expire_silence(store: Store, ident: str, now: datetime) -> Silence:
    """End a silence now; ``ident`` is its id or an unambiguous beginning or end of it.

    Raises ``UsageError`` when there is no such active silence.
    """
    silences = await load_silences(store)
    wanted = ident.strip().upper()
    found = [
        each
        for each in silences
        if each.active(now) and (each.id.startswith(wanted) or each.id.endswith(wanted))
    ]
    if len(found) != 1:
        what = "no active silence has" if not found else f"{len(found)} active silences have"
        raise UsageError(f"{what} the id {ident!r}: see `silence list`")
    ended = replace(found[0], until=now)
    changed = [ended if each.id == ended.id else each for each in silences]
    await store.put_blobs({BLOB: silences_blob(changed, now)})
    return ended


def silence_json(silence: Silence, now: datetime) -> Mapping[str, object]:
    """Return a silence as ``silence list --json`` gives it."""
    return {
        "id": silence.id,
        "when": {name: list(values) for name, values in silence.when},
        "created": silence.created.isoformat().replace("+00:00", "Z"),
        "until": silence.until.isoformat().replace("+00:00", "Z"),
        "active": silence.active(now),
        "by": silence.by,
        "comment": silence.comment,
        "then": silence.then,
    }
