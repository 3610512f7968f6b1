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
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlencode, urljoin, urlsplit

import httpx

from monitor import __version__
from monitor.clock import Clock
from monitor.config.models import NetworkSettings
from monitor.errors import BodyRefused, FetchError, RefusedAddress
from monitor.sources.answers import fresh_until, retry_after
from monitor.sources.credentials import feed_headers
from monitor.sources.decode import ACCEPT_ENCODING, decode_body, too_large
from monitor.sources.faults import explain, transport_failure
from monitor.sources.guard import Guard, Target, is_near
from monitor.sources.http1 import Http1Transport
from monitor.sources.resolve import Resolver
from monitor.sources.slots import SlotLimits, Slots
from monitor.sources.tls import shared_ssl_context
from monitor.sources.transport import Dialler, stock_transport
from monitor.sources.wire import Origin, Wire, lower_headers, message, refuse_declared
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
_BRISK = SlotLimits()
_NO_VALIDATORS = Validators()


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


_LIMITS = FetchLimits()


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
    validators: Validators = _NO_VALIDATORS
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


@dataclass(frozen=True, slots=True)
class _Answer:
    """One HTTP exchange: status, headers (lower-case names), and the body as it travelled."""

    url: str
    status: int
    headers: Mapping[str, str]
    raw: bytes = b""
    permanent: str | None = None


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
        limits: FetchLimits = _LIMITS,
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
        self._transport = self._choose(network)
        # What every request says that no feed's settings change.
        self._common = tuple(
            (name, value.encode("latin-1", "replace"))
            for name, value in (
                (b"User-Agent", self._agent),
                (b"Accept", ACCEPT),
                (b"Accept-Encoding", ACCEPT_ENCODING),
            )
        )

    def _choose(self, network: NetworkSettings) -> httpx.AsyncBaseTransport:
        """Return our own transport, or httpx's where ours doesn't do what is asked for."""
        context = shared_ssl_context()
        if network.proxy is None and network.transport == "own" and not network.http2:
            return Http1Transport(Wire(self._dialler, context, connect=self._limits.connect))
        return stock_transport(
            self._dialler,
            context,
            connections=self._limits.slots.total + self._limits.slots.stalled,
            proxy=network.proxy.get_secret_value() if network.proxy else None,
            http2=network.http2,
        )

    async def aclose(self) -> None:
        """Close connections and free the resolver's threads."""
        await self._transport.aclose()
        self._resolver.close()

    async def fetch(
        self, feed: Feed, validators: Validators = _NO_VALIDATORS, *, url: str | None = None
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
            outcome = _failed(target, error.reason, str(error))
        except Exception as error:  # a library's surprise is this feed's failure
            log.exception("fetch failed in an unforeseen way", extra={"feed": feed.key})
            outcome = _failed(
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
                answer = await self._exchange(target, headers, keep=False, body=body)
        except TimeoutError:
            return _failed(url, "timeout", f"{target.site} didn't answer in time")
        except FetchError as error:
            return _failed(url, error.reason, str(error))
        if 200 <= answer.status < 300:
            return FetchOutcome("ok", url, body=answer.raw, http_status=answer.status)
        return replace(
            _failed(url, f"http_{answer.status}", explain(answer.status)),
            http_status=answer.status,
        )

    # Files -------------------------------------------------------------------------------------

    async def _from_file(self, feed: Feed, url: str, validators: Validators) -> FetchOutcome:
        if url != feed.url:
            raise FetchError("A file is fetched only when the configuration names it", "bad_scheme")
        path = Path(unquote(urlsplit(url).path))
        raw = await asyncio.get_running_loop().run_in_executor(None, self._read_file, path)
        seen = Validators(body_hash=hashlib.sha256(raw).digest())
        if seen.body_hash == validators.body_hash:
            return FetchOutcome("same_body", url, validators=seen, wire_bytes=len(raw))
        return FetchOutcome("ok", url, body=raw, validators=seen, wire_bytes=len(raw))

    def _read_file(self, path: Path) -> bytes:
        try:
            real = path.resolve(strict=True)
            if not real.is_relative_to(self._root):
                raise FetchError(
                    f"{path} is outside the configuration's folder; put the file beneath it",
                    "refused_file",
                )
            if not real.is_file():
                raise FetchError(f"{path} is not a file", "refused_file")
            with real.open("rb") as source:
                raw = source.read(self._limits.body + 1)
        except FileNotFoundError as error:
            raise FetchError(f"{path} doesn't exist; check the path", "no_file") from error
        except OSError as error:
            raise FetchError(f"{path} can't be read ({error.strerror})", "no_file") from error
        if len(raw) > self._limits.body:
            raise too_large(self._limits.body)
        if not raw:
            raise FetchError(f"{path} is empty", "empty")
        return raw

    # HTTP --------------------------------------------------------------------------------------

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

    async def _unpack(self, answer: _Answer) -> bytes:
        encoding = answer.headers.get("content-encoding")

        def unpack() -> bytes:
            return decode_body(
                answer.raw, encoding, limit=self._limits.body, ratio=self._limits.ratio
            )

        if not encoding or len(answer.raw) < _DECODE_IN_THREAD:
            return unpack()
        return await asyncio.get_running_loop().run_in_executor(None, unpack)

    async def _follow(self, feed: Feed, url: str, validators: Validators) -> _Answer:
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
                        answer = await self._exchange(target, headers, keep)
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
    ) -> list[tuple[bytes, bytes]]:
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

    async def _exchange(
        self,
        target: Target,
        headers: list[tuple[bytes, bytes]],
        keep: bool,
        body: bytes | None = None,
    ) -> _Answer:
        """Send one GET (or ``body``) and read the answer, at most ``limits.wire`` bytes of it."""
        method = "GET" if body is None else "POST"
        try:
            if isinstance(self._transport, Http1Transport):
                return await self._over_wire(
                    self._transport.wire, target, method, headers, keep, body
                )
            request = self._request(target.url, method, headers, keep, body)
            response = await self._transport.handle_async_request(request)
            try:
                found = lower_headers(response.headers.raw)
                raw = b""
                if _has_body(response.status_code):
                    raw = await self._read(response, found)
            finally:
                await response.aclose()
        except httpx.InvalidURL as error:
            raise FetchError(
                f"The address {target.url[:200]!r} can't be read ({error})", "bad_url"
            ) from error
        except httpx.TimeoutException as error:
            raise FetchError(
                f"No connection within {self._limits.connect:g} seconds; it is tried again later",
                "timeout",
            ) from error
        except httpx.TransportError as error:
            raise transport_failure(target.url, error) from error
        return _Answer(target.url, response.status_code, found, raw)

    async def _over_wire(
        self,
        wire: Wire,
        target: Target,
        method: str,
        headers: list[tuple[bytes, bytes]],
        keep: bool,
        body: bytes | None,
    ) -> _Answer:
        """Send one request over our own wire, without httpx's values in between."""
        if target.path is not None and target.authority is not None:
            path = target.path.encode("ascii")
            origin = Origin(target.scheme == "https", target.host, target.port)
            headers.insert(0, (b"Host", target.authority.encode("ascii")))
        else:
            request = self._request(target.url, method, headers, keep, body)
            url, headers = request.url, request.headers.raw
            path, host = url.raw_path, url.raw_host.decode("ascii")
            secure = url.scheme == "https"
            origin = Origin(secure, host, url.port or (443 if secure else 80))
        connection = await wire.send(origin, message(method, path, headers, body or b""))
        try:
            raw = b""
            if _has_body(connection.status):
                raw = await connection.read(self._limits.wire)
        finally:
            wire.give_back(connection, origin, keep)
        return _Answer(target.url, connection.status, connection.found, raw)

    def _request(
        self,
        url: str,
        method: str,
        headers: list[tuple[bytes, bytes]],
        keep: bool,
        body: bytes | None,
    ) -> httpx.Request:
        connect = self._limits.connect
        timeouts = {"connect": connect, "read": None, "write": None, "pool": None}
        extensions = {"timeout": timeouts, "keep": keep}
        return httpx.Request(method, url, headers=headers, content=body, extensions=extensions)

    async def _read(self, response: httpx.Response, found: Mapping[str, str]) -> bytes:
        refuse_declared(found, self._limits.wire)
        parts: list[bytes] = []
        size = 0
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for part in response.stream:
            size += len(part)
            if size > self._limits.wire:
                raise too_large(self._limits.wire)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _has_body(status: int) -> bool:
    return 200 <= status < 300 and status != 204


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


def _failed(url: str, reason: str, message: str) -> FetchOutcome:
    return FetchOutcome("failed", url, reason=reason, message=message)
