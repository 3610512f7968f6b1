"""New and edited rules: one message says what they would have matched in the last 24 hours.

No flood, and nothing missed from then on: the rule is in force as soon as it is loaded; this only
looks back.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from monitor.alerts.plan import preview_alert
from monitor.config.models import RuleSettings, Settings
from monitor.pipeline.documents import document_of_stored
from monitor.rules import RuleSet
from monitor.store.port import FoundEntry, Store
from monitor.values import AlertItem, Feed

log = logging.getLogger(__name__)

BLOB = "rules/known"
LOOK_BACK = timedelta(hours=24)
SHOWN = 5
_CHUNK = 64  # entries matched before the event loop gets its turn


class RulePreview:
    """Finds the rules that changed since the last look and queues one message about them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(
        self, settings: Settings, ruleset: RuleSet, feeds: Mapping[str, Feed], now: datetime
    ) -> tuple[str, ...]:
        """Queue the preview, remember the rules, and return the names of the changed ones.

        The first look ever remembers only: what is in the feeds then is the baseline's matter.
        """
        stored = await self._store.blob(BLOB)
        # In a thread: the digests of 100,000 rules take seconds.
        current, changed, blob = await asyncio.to_thread(_compared, settings, stored)
        if changed and stored is not None:
            await self._tell(changed, current, settings, ruleset, feeds, now)
        if blob is not None:
            await self._store.put_blobs({BLOB: blob})
        return changed if stored is not None else ()

    async def _tell(
        self,
        changed: Sequence[str],
        current: dict[str, str],
        settings: Settings,
        ruleset: RuleSet,
        feeds: Mapping[str, Feed],
        now: datetime,
    ) -> None:
        found = await self._store.entries_since(now - LOOK_BACK)
        items: list[AlertItem] = []
        for start in range(0, len(found), _CHUNK):
            for each in found[start : start + _CHUNK]:
                items.extend(_would_match(each, changed, ruleset, feeds))
            await asyncio.sleep(0)
        ident = hashlib.sha256("\n".join(current[name] for name in changed).encode()).hexdigest()
        newest = sorted(items, key=lambda item: item.published or now, reverse=True)
        row = preview_alert(ident[:16], changed, len(items), newest[:SHOWN], settings, now)
        if row is not None:
            await self._store.enqueue([row])
        log.info(
            "rules new or edited", extra={"rules": ", ".join(changed), "matched_24h": len(items)}
        )


def _compared(
    settings: Settings, stored: bytes | None
) -> tuple[dict[str, str], tuple[str, ...], bytes | None]:
    """Return the digests of all rules by name, the names whose digests aren't those ``stored``, and
    what to store; None where that is what is there."""
    current = {rule.name: digest(rule, settings) for rule in settings.rules if rule.enabled}
    known: dict[str, str] = json.loads(stored) if stored else {}
    changed = tuple(name for name, value in current.items() if known.get(name) != value)
    if known == current:
        return current, changed, None
    # Piece by piece: the encoder in C would hold up every other thread.
    return current, changed, "".join(json.JSONEncoder().iterencode(current)).encode()


def digest(rule: RuleSettings, settings: Settings) -> str:
    """Return a hash of a rule and of the lists and entities that it names."""
    text = rule.model_dump_json(by_alias=True, exclude={"to", "examples", "severity"})
    named = {name: terms for name, terms in settings.lists.items() if name in text}
    people = {
        name: entity.model_dump(mode="json")
        for name, entity in settings.entities.items()
        if name in text
    }
    whole = json.dumps([text, named, people], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()


def _would_match(
    found: FoundEntry, changed: Sequence[str], ruleset: RuleSet, feeds: Mapping[str, Feed]
) -> list[AlertItem]:
    stored = found.entry
    matches = ruleset.match(document_of_stored(found, feeds))
    return [
        AlertItem(stored.entry.title, stored.entry.url, stored.source, match.rule, stored.published)
        for match in matches
        if match.rule in changed and match.rule not in found.rules
    ]
