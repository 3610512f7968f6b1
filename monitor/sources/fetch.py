"""Fetches one feed: politely, within bounds, and without ever raising for the feed's fault.

What comes back says which of four things happened: nothing changed (by the server's word, or by
the body's hash), a body, or a failure with a reason in a word and in a sentence. Whether a body is
a feed, when to ask again, and what to store is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlencode, urljoin, urlsplit

from monitor import __version__
from monitor.clock import Clock
from monitor.config.models import NetworkSettings
from monitor.errors import BodyRefused, FetchError, RefusedAddress
from monitor.sources.answers import fresh_until, retry_after
from monitor.sources.credentials import feed_headers
from monitor.sources.decode import ACCEPT_ENCODING, decode_body
from monitor.sources.exchange import Answer, Exchanger, Headers
from monitor.sources.faults import explain
from monitor.sources.files import read_file
from monitor.sources.guard import Guard, is_near
from monitor.sources.outcome import LIMITS, NO_VALIDATORS, FetchLimits, FetchOutcome, failed
from monitor.sources.resolve import Resolver
from monitor.sources.slots import Slots
from monitor.sources.transport import Dialler
from monitor.store.port import Validators
from monitor.values import Feed

log = logging.getLogger(__name__)

ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml, "
    "application/xml;q=0.9, text/xml;q=0.8, application/json;q=0.7, */*;q=0.1"
)
_PERMANENT = frozenset({301, 308})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DECODE_IN_THREAD = 64 * 1024  # bytes on the wire: smaller bodies unpack in well under 1 ms


class Fetcher:
    """Fetches feeds over HTTP and from files beneath the configuration.

    One per event loop. ``contact`` (a URL or address) goes into the User-Agent, so that a
    publisher can reach whoever runs this. Raises ``ValueError`` when ``network.allow`` holds
    something that is no network.
    """

    def __init__(
        self,
        network: NetworkSettings,
        clock: Clock,
        *,
        config_dir: Path,
        contact: str | None = None,
        limits: FetchLimits = LIMITS,
        resolver: Resolver | None = None,
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._root = config_dir.resolve()
        contact = contact or network.contact
        self._agent = f"newswatch/{__version__}" + (f" (+{contact})" if contact else "")
        self._guard = Guard(network.allow)
        self._resolver = resolver or Resolver()
        self._dialler = Dialler(self._guard, self._resolver)
        self._slots = Slots(limits.slots)
        self._proxied = network.proxy is not None
        self._downgrade = network.allow_downgrade
        self._exchanger = Exchanger(network, self._dialler, limits)
        # What every request says that no feed's settings change.
        self._common = tuple(
            (name, value.encode("latin-1", "replace"))
            for name, value in (
                (b"User-Agent", self._agent),
                (b"Accept", ACCEPT),
                (b"Accept-Encoding", ACCEPT_ENCODING),
            )
        )

    async def aclose(self) -> None:
        """Close connections and free the resolver's threads."""
        await self._exchanger.aclose()
        self._resolver.close()

    async def fetch(
        self, feed: Feed, validators: Validators = NO_VALIDATORS, *, url: str | None = None
    ) -> FetchOutcome:
        """Fetch ``feed`` (or ``url`` in its stead, an adopted redirect) and say what happened.

        ``validators`` are those of the last clean parse. Never raises for a feed's fault.
        """
        target = url or feed.url
        started = self._clock.monotonic()
        try:
            if target.startswith("file:"):
                outcome = await self._from_file(feed, target, validators)
            else:
                outcome = await self._from_web(feed, target, validators, started)
        except FetchError as error:
            outcome = failed(target, error.reason, str(error))
        except Exception as error:  # a library's surprise is this feed's failure
            log.exception("fetch failed in an unforeseen way", extra={"feed": feed.key})
            outcome = failed(
                target,
                "error",
                f"The fetch failed in an unforeseen way ({type(error).__name__}); see the log",
            )
        if outcome.elapsed:
            return outcome
        return replace(outcome, elapsed=self._clock.monotonic() - started)

    async def post(self, url: str, fields: Mapping[str, str]) -> FetchOutcome:
        """Send a form to ``url``, through the same guard; redirects are not followed.

        For talking to WebSub hubs. Never raises for the other side's fault.
        """
        body = urlencode(fields).encode("ascii")
        headers = [
            (b"User-Agent", self._agent.encode("latin-1", "replace")),
            (b"Content-Type", b"application/x-www-form-urlencoded"),
            (b"Content-Length", str(len(body)).encode("ascii")),
            (b"Connection", b"close"),
        ]
        try:
            target = self._guard.target(url)
            async with (
                self._slots.slot(target.site),
                asyncio.timeout(self._limits.deadline),
            ):
                answer = await self._exchanger.exchange(target, headers, keep=False, body=body)
        except TimeoutError:
            return failed(url, "timeout", f"{target.site} didn't answer in time")
        except FetchError as error:
            return failed(url, error.reason, str(error))
        if 200 <= answer.status < 300:
            return FetchOutcome("ok", url, body=answer.raw, http_status=answer.status)
        return replace(
            failed(url, f"http_{answer.status}", explain(answer.status)),
            http_status=answer.status,
        )

    async def _from_file(self, feed: Feed, url: str, validators: Validators) -> FetchOutcome:
        if url != feed.url:
            raise FetchError("A file is fetched only when the configuration names it", "bad_scheme")
        path, most = Path(unquote(urlsplit(url).path)), self._limits.body
        loop = asyncio.get_running_loop()
        raw = await loop.run_in_executor(None, read_file, self._root, path, most)
        seen = Validators(body_hash=hashlib.sha256(raw).digest())
        if seen.body_hash == validators.body_hash:
            return FetchOutcome("same_body", url, validators=seen, wire_bytes=len(raw))
        return FetchOutcome("ok", url, body=raw, validators=seen, wire_bytes=len(raw))

    async def _from_web(
        self, feed: Feed, url: str, validators: Validators, started: float
    ) -> FetchOutcome:
        answer = await self._follow(feed, url, validators)
        now = self._clock.now()
        headers, status = answer.headers, answer.status
        asked_so = validators.etag is not None or validators.last_modified is not None
        if status == 304 and asked_so:  # most polls by far: made in one go
            return FetchOutcome(
                "not_modified",
                answer.url,
                content_type=headers.get("content-type"),
                headers=headers,
                validators=validators,
                http_status=status,
                fresh_until=fresh_until(headers, now),
                permanent_redirect=answer.permanent,
                elapsed=self._clock.monotonic() - started,
            )
        outcome = FetchOutcome(
            "failed",
            answer.url,
            content_type=headers.get("content-type"),
            headers=headers,
            validators=validators,
            http_status=status,
            retry_after=retry_after(headers, now) if status >= 400 else None,
            fresh_until=fresh_until(headers, now) if status < 400 else None,
            permanent_redirect=answer.permanent,
            gone=status == 410,
            wire_bytes=len(answer.raw),
        )
        if status == 304:
            return replace(
                outcome,
                reason="http_304",
                message="The server says 'not modified' though nothing was asked that way; "
                "it is asked again later",
            )
        delta = status == 226 and headers.get("im", "").strip().lower() == "feed"
        unasked = status == 226 and (not delta or validators.etag is None)
        if not 200 <= status < 300 or unasked:
            return replace(outcome, reason=f"http_{status}", message=explain(status))
        if status not in (200, 203, 226) or not answer.raw:
            return replace(
                outcome,
                reason="empty",
                message=f"The server answered HTTP {status} with nothing in it; "
                "look at the address in a browser",
            )
        fresh = Validators(
            etag=headers.get("etag") or None,
            last_modified=headers.get("last-modified") or None,
            body_hash=hashlib.sha256(answer.raw).digest(),
        )
        if fresh.body_hash == validators.body_hash:
            return replace(outcome, status="same_body", validators=fresh)
        try:
            body = await self._unpack(answer)
        except BodyRefused as error:
            return replace(outcome, reason=error.reason, message=str(error))
        if not body.strip():
            return replace(
                outcome,
                reason="empty",
                message="The server answered with an empty body; look at the address in a browser",
            )
        return replace(outcome, status="ok", body=body, validators=fresh)

    async def _unpack(self, answer: Answer) -> bytes:
        encoding = answer.headers.get("content-encoding")

        def unpack() -> bytes:
            return decode_body(
                answer.raw, encoding, limit=self._limits.body, ratio=self._limits.ratio
            )

        if not encoding or len(answer.raw) < _DECODE_IN_THREAD:
            return unpack()
        return await asyncio.get_running_loop().run_in_executor(None, unpack)

    async def _follow(self, feed: Feed, url: str, validators: Validators) -> Answer:
        """Ask ``url`` and follow redirects, each hop vetted anew, within one deadline."""
        left = self._limits.deadline
        loop = asyncio.get_running_loop()
        asked, permanent, unbroken = url, None, True
        for _ in range(self._limits.redirects + 1):
            target = self._guard.target(asked)
            if self._proxied:
                await self._vet_behind_proxy(target.host, target.port)
            async with self._slots.slot(target.site, near=is_near(target.host)) as others_wait:
                started = loop.time()
                keep = others_wait()
                headers = self._headers(feed, url, asked, validators, keep)
                try:
                    async with asyncio.timeout(max(left, 0)):
                        answer = await self._exchanger.exchange(target, headers, keep)
                except TimeoutError as error:
                    raise FetchError(
                        f"The server didn't finish its answer within "
                        f"{self._limits.deadline:g} seconds; it is asked again later",
                        "timeout",
                    ) from error
                left -= loop.time() - started
            if answer.status not in _REDIRECTS:
                return answer if permanent is None else replace(answer, permanent=permanent)
            location = answer.headers.get("location", "").strip()
            if not location:
                return replace(answer, permanent=permanent)
            unbroken = unbroken and answer.status in _PERMANENT
            asked = _hop(asked, location, self._downgrade)
            if unbroken:
                permanent = asked
        raise FetchError(
            f"More than {self._limits.redirects} redirects, the last one to {asked[:200]!r}; "
            "look at the address in a browser and correct it",
            "redirects",
        )

    async def _vet_behind_proxy(self, host: str, port: int) -> None:
        """A proxy looks names up itself: refuse what leads inside as far as we can tell here."""
        try:
            await self._dialler.addresses(host, port)
        except RefusedAddress:
            raise
        except FetchError:
            log.debug("name left to the proxy", extra={"host": host})

    def _headers(
        self, feed: Feed, first: str, asked: str, validators: Validators, keep: bool
    ) -> Headers:
        """Return the request's headers; secrets go only to the host they were given for."""
        own = feed.headers or feed.basic_auth is not None
        given = feed_headers(feed, urlsplit(first), urlsplit(asked)) if own else {}
        if feed.user_agent:
            given = {"User-Agent": feed.user_agent, **given}
        # latin-1 both ways: the bytes a server sent come back to it unchanged.
        headers = [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in given.items()
        ]
        said = {name.lower() for name, _ in headers}
        headers += [each for each in self._common if each[0].lower() not in said]
        if b"connection" not in said:
            headers.append((b"Connection", b"keep-alive" if keep else b"close"))
        if validators.etag is not None:
            # RFC 3229: send the new entries alone, if you can
            etag = validators.etag.encode("latin-1", "replace")
            headers += [(b"If-None-Match", etag), (b"A-IM", b"feed")]
        if validators.last_modified is not None:
            date = validators.last_modified.encode("latin-1", "replace")
            headers.append((b"If-Modified-Since", date))
        return headers


def _hop(asked: str, location: str, downgrade: bool) -> str:
    """Return where a redirect leads; raises ``FetchError`` for a step down from https to http."""
    try:
        # Headers are bytes; addresses in them are UTF-8 in practice, and sent on percent-encoded.
        location = location.encode("latin-1").decode("utf-8", "replace")
        target = urljoin(asked, location).partition("#")[0]
        scheme = urlsplit(target).scheme
    except ValueError as error:
        raise FetchError(
            f"The server redirects to {location[:200]!r}, which can't be read", "bad_redirect"
        ) from error
    if urlsplit(asked).scheme == "https" and scheme == "http" and not downgrade:
        raise FetchError(
            f"The server redirects from https to http ({target[:200]}): refused; if that is right, "
            "put the http address into the configuration",
            "downgrade",
        )
    return target
