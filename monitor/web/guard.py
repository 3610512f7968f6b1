"""Who may ask, and from where: hosts, origins, the token, and the headers of every answer.

State changes are POSTs that carry our form token and come from our own pages; a browser that was
led to another name for this address (DNS rebinding), or another site's page, gets nothing.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import math
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.config.addresses import is_loopback

HEADERS = {
    # Nothing from elsewhere, no inline script or style, no frame around us.
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not "no-referrer": with that, browsers send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
OPEN = ("/healthz", "/readyz")  # answer without the token: they say yes or no, nothing else
READING = ("GET", "HEAD")
BODY_MAX = 1_000_000  # bytes of a form: a pasted article, not a file
FILES = {"/feeds/import": 10_000_000}  # bytes of a form with a file: a list of 50,000 feeds


class Guard:
    """ASGI middleware. ``token`` is asked of everyone; without one only names of this machine are
    answered. ``url`` is the address as people see it, whose host is answered too."""

    def __init__(self, app: ASGIApp, token: str | None, url: str | None) -> None:
        self._app = app
        self._token = token
        self._host = (urlsplit(url).hostname or "").lower() if url else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        refusal = self._refusal(Request(scope))

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await (refusal or self._app)(scope, receive, sealed)

    def _refusal(self, request: Request) -> Response | None:
        host = _host_of(request.headers)
        if not self._known(host):
            return PlainTextResponse(
                "This host name is not ours: set `web.url` to the address people use.\n", 421
            )
        path = request.url.path
        if self._token and path not in OPEN and not self._authorised(request.headers):
            return PlainTextResponse(
                "Give the token as password (any user name), or as bearer token.\n",
                401,
                {"www-authenticate": 'Basic realm="newswatch", charset="UTF-8"'},
            )
        if request.method in READING:
            return None
        if request.method != "POST":
            return PlainTextResponse("Not allowed.\n", 405, {"allow": "GET, HEAD, POST"})
        if _length(request.headers) > FILES.get(path, BODY_MAX):
            return PlainTextResponse("Too long.\n", 413)
        if not _own_origin(request.headers):
            return PlainTextResponse("Only our own pages may change something.\n", 403)
        return None

    def _known(self, host: str) -> bool:
        if not host:
            return False
        if is_loopback(host) or host == self._host:
            return True
        if self._token is None:
            return False
        # With a token an address is as good as a name: no foreign page knows the token, and
        # rebinding needs a name.
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return not self._host
        return True

    def _authorised(self, headers: Headers) -> bool:
        kind, _, value = headers.get("authorization", "").partition(" ")
        given = value.strip()
        if kind.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return False
        elif kind.lower() != "bearer":
            return False
        assert self._token is not None
        return hmac.compare_digest(given.encode(), self._token.encode())


class FormToken:
    """What our own forms carry and no other site can know; new at each start."""

    def __init__(self) -> None:
        self.value = secrets.token_urlsafe(24)

    def fits(self, given: object) -> bool:
        """Tell whether a form carried it."""
        return isinstance(given, str) and hmac.compare_digest(given.encode(), self.value.encode())


def _host_of(headers: Headers) -> str:
    try:
        return (urlsplit("//" + headers.get("host", "")).hostname or "").lower()
    except ValueError:
        return ""


def _length(headers: Headers) -> float:
    """Return how long a body is, endless where its length isn't said."""
    given = headers.get("content-length", "")
    return int(given) if given.isdecimal() and len(given) < 16 else math.inf


def _own_origin(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return site is not None  # every browser sends one of the two with a POST
    return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
