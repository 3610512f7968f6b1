"""WebSub: hubs that send what is new, instead of our asking (W3C Recommendation, 2018-01-23).

For each feed that names a hub a subscription is asked for, confirmed by the hub's own call,
renewed before its lease ends, and used only when signed with the secret we gave. A push is handed
on like a poll's answer that holds the new entries alone; polling goes on, more rarely.

Needs a callback URL that hubs can reach; without one nothing here runs. The web server that
takes the hub's calls mounts ``routes``.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from aiohttp import web

from monitor.clock import Clock
from monitor.sources.fetch import Fetcher
from monitor.sources.notes import moment, values
from monitor.sources.outcome import FetchOutcome
from monitor.store.port import FeedState, Store

log = logging.getLogger(__name__)

BLOB = "sources/websub"
LEASE = timedelta(days=10)  # asked for; hubs commonly give 5 to 15 days
SHORTEST_LEASE = timedelta(minutes=5)
CONFIRM_WITHIN = timedelta(hours=1)  # between our asking and the hub's call
ASK_AGAIN = timedelta(hours=6)  # after a hub that failed, fell silent or denied
BODY_MAX = 10 * 1024 * 1024
# §8: the digests a signature may name. SHA-1 is what most hubs send; as an HMAC it still holds.
_DIGESTS = {"sha1": "sha1", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}

State = Literal["asked", "active", "refused"]
Deliver = Callable[[str, FetchOutcome], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One feed's subscription. ``token`` is the last part of its own callback address, ``secret``
    signs what the hub sends; ``until`` is the lease's end, or when to ask again."""

    feed: str
    hub: str
    topic: str
    token: str
    secret: str
    state: State
    asked_at: datetime
    until: datetime


def signed(secret: str, body: bytes, signature: str | None) -> bool:
    """Tell whether ``signature`` (X-Hub-Signature: method=hex) is ``body``'s under ``secret``."""
    method, _, value = (signature or "").strip().partition("=")
    digest = _DIGESTS.get(method.lower())
    if digest is None:
        return False
    expected = hmac.new(secret.encode(), body, getattr(hashlib, digest)).hexdigest()
    return hmac.compare_digest(expected.encode(), value.strip().lower().encode("utf-8", "replace"))


class Subscriber:
    """Keeps the subscriptions, and takes the hubs' calls.

    ``callback`` is our address as hubs reach it; each subscription gets a path of its own beneath
    it. ``fetcher`` gives the one in force; ``deliver`` is called with a feed's key and what was
    pushed.
    """

    def __init__(
        self,
        store: Store,
        fetcher: Callable[[], Fetcher],
        clock: Clock,
        callback: str,
        deliver: Deliver,
    ) -> None:
        self._store = store
        self._fetcher = fetcher
        self._clock = clock
        self._callback = callback.rstrip("/")
        self._deliver = deliver
        self._known: dict[str, Subscription] = {}  # by feed
        self._saving = asyncio.Lock()

    async def load(self) -> None:
        """Read the subscriptions kept; to be called once, first. Raises ``StateError``."""
        for item in _read(await self._store.blob(BLOB)):
            self._known[item.feed] = item

    def subscriptions(self) -> Mapping[str, Subscription]:
        """Return the subscriptions by feed."""
        return dict(self._known)

    async def renew(self, states: Mapping[str, FeedState]) -> int:
        """Ask for what is missing or about to lapse; forget feeds that are gone.

        To be called every few minutes with the active feeds' states. Returns how many hubs were
        asked. Never raises for a hub's fault.
        """
        now = self._clock.now()
        asked = 0
        dropped = [feed for feed in self._known if feed not in states]
        for feed in dropped:
            del self._known[feed]  # the lease lapses by itself; pushes for it are answered 404
        for feed, state in states.items():
            offer = _offer(state)
            known = self._known.get(feed)
            if offer is None:
                continue
            if known is not None and (known.hub, known.topic) == offer and not _due(known, now):
                continue
            await self._ask(feed, *offer, known, now)
            asked += 1
        if dropped or asked:
            await self._save()
        return asked

    async def _ask(
        self, feed: str, hub: str, topic: str, known: Subscription | None, now: datetime
    ) -> None:
        item = Subscription(
            feed,
            hub,
            topic,
            secrets.token_urlsafe(18),
            secrets.token_hex(32),
            "asked",
            now,
            now + CONFIRM_WITHIN,
        )
        if known is not None and (known.hub, known.topic) == (hub, topic):
            # An active one stays so while it is renewed: no push must be lost.
            item = replace(item, token=known.token, secret=known.secret)
            if known.state == "active" and known.until > now:
                item = replace(item, state="active", until=known.until)
        # Kept first: a hub may call before it has answered us.
        self._known[feed] = item
        await self._save()
        outcome = await self._fetcher().post(
            hub,
            {
                "hub.mode": "subscribe",
                "hub.topic": topic,
                "hub.callback": f"{self._callback}/{item.token}",
                "hub.secret": item.secret,
                "hub.lease_seconds": str(int(LEASE.total_seconds())),
            },
        )
        if outcome.status == "failed":
            log.warning(
                "hub refused a subscription; the feed is polled as before",
                extra={"feed": feed, "hub": hub, "reason": outcome.message},
            )
            current = self._known.get(feed)
            if current is not None and current.state == "asked":
                self._known[feed] = replace(current, state="refused", until=now + ASK_AGAIN)

    def confirm(self, token: str, query: Mapping[str, str]) -> tuple[int, str]:
        """Answer a hub's verification of intent; returns the HTTP status and the body."""
        item = next((i for i in self._known.values() if hmac.compare_digest(i.token, token)), None)
        if item is None or query.get("hub.topic") != item.topic:
            return 404, ""
        now = self._clock.now()
        mode, challenge = query.get("hub.mode"), query.get("hub.challenge", "")
        if mode == "denied":
            log.warning(
                "hub denied the subscription; the feed is polled as before",
                extra={"feed": item.feed, "reason": query.get("hub.reason", "")[:200]},
            )
            self._known[item.feed] = replace(item, state="refused", until=now + ASK_AGAIN)
            return 200, ""
        if mode != "subscribe" or not challenge or now - item.asked_at > CONFIRM_WITHIN:
            return 404, ""  # nothing that we asked for
        try:
            lease = timedelta(seconds=min(int(query.get("hub.lease_seconds", "0")), 10**8))
        except ValueError:
            lease = LEASE
        until = now + max(lease, SHORTEST_LEASE)
        self._known[item.feed] = replace(item, state="active", until=until)
        log.info("hub confirmed a subscription", extra={"feed": item.feed, "hub": item.hub})
        return 200, challenge

    def take(
        self, token: str, signature: str | None, content_type: str | None, body: bytes
    ) -> tuple[int, tuple[str, FetchOutcome] | None]:
        """Judge what came for ``token``; returns the HTTP status, and the feed with what it
        pushed unless that is not to be believed.

        A wrong signature is answered like a right one (§8: so that nobody learns from it).
        """
        item = next((i for i in self._known.values() if hmac.compare_digest(i.token, token)), None)
        if item is None:
            return 404, None
        if item.state != "active" or item.until <= self._clock.now():
            return 410, None
        if not signed(item.secret, body, signature):
            log.warning("a push without a valid signature was ignored", extra={"feed": item.feed})
            return 202, None
        outcome = FetchOutcome(
            "ok",
            item.topic,
            body=body,
            content_type=content_type,
            http_status=226,  # as with a delta: the new entries, not the whole feed
            wire_bytes=len(body),
            pushed_until=item.until,
        )
        return 202, (item.feed, outcome)

    def routes(self, prefix: str = "") -> list[web.RouteDef]:
        """Return the callback's routes for a web server; ``prefix`` is the callback's path."""
        path = prefix.rstrip("/") + "/{token}"
        return [
            web.get(path, self._on_get, allow_head=False),
            web.post(path, self._on_post),
        ]

    async def _on_get(self, request: web.Request) -> web.Response:
        status, body = self.confirm(request.match_info["token"], request.query)
        if status == 200:
            await self._save()
        return web.Response(status=status, text=body, content_type="text/plain")

    async def _on_post(self, request: web.Request) -> web.Response:
        body = bytearray()
        async for part in request.content.iter_chunked(65536):
            body += part
            if len(body) > BODY_MAX:
                return web.Response(status=413)
        status, push = self.take(
            request.match_info["token"],
            request.headers.get("X-Hub-Signature"),
            request.headers.get("Content-Type"),
            bytes(body),
        )
        if push is not None:
            await self._deliver(*push)
        return web.Response(status=status)

    async def _save(self) -> None:
        async with self._saving:
            items = [asdict(item) for item in self._known.values()]
            text = json.dumps(items, default=lambda value: value.isoformat())
            await self._store.put_blobs({BLOB: text.encode() if items else None})


def pushed(state: FeedState, outcome: FetchOutcome) -> FetchOutcome:
    """Return a pushed outcome as the feed's own: its validators stay those of the last poll."""
    return replace(outcome, validators=state.validators)


def _offer(state: FeedState) -> tuple[str, str] | None:
    """Return the hub and topic a feed advertises; None without both, or for a disabled feed."""
    hubs = [hub for hub in values(state.extra, "hubs") if isinstance(hub, str)]
    topic = state.extra.get("self")
    if state.disabled_reason or not hubs or not isinstance(topic, str):
        return None
    return hubs[0], topic


def _due(item: Subscription, now: datetime) -> bool:
    if item.state != "active":
        return item.until <= now
    # Renewed over the last quarter of the lease, tried again every few hours if that fails.
    left = (item.until - now) / max(item.until - item.asked_at, SHORTEST_LEASE)
    waited = now - item.asked_at >= min(ASK_AGAIN, (item.until - item.asked_at) / 8)
    return left < 0.25 and waited


def _read(blob: bytes | None) -> list[Subscription]:
    try:
        items = json.loads(blob) if blob else []
    except ValueError:
        return []
    found: list[Subscription] = []
    for item in items if isinstance(items, list) else []:
        if not isinstance(item, dict):
            continue
        asked_at, until = moment(item, "asked_at"), moment(item, "until")
        state = item.get("state")
        if asked_at is None or until is None or state not in ("asked", "active", "refused"):
            continue
        feed, hub, topic, token, secret = (
            str(item.get(name) or "") for name in ("feed", "hub", "topic", "token", "secret")
        )
        if feed and hub and topic and token and secret:
            found.append(Subscription(feed, hub, topic, token, secret, state, asked_at, until))
    return found
