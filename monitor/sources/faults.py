"""What went wrong with a fetch, in one word for counters and one sentence for people."""

from __future__ import annotations

import errno
import ssl
from urllib.parse import urlsplit

import httpx

from monitor.errors import FetchError
from monitor.sources.decode import truncated

_EXPLAINED = {
    401: "the server wants a login: give the feed its credentials",
    402: "the server wants to be paid",
    403: "the server refuses us: ask the publisher to let the User-Agent pass, or set `user_agent`",
    404: "there is nothing at this address: look for the feed's new address",
    406: "the server has no form of this feed that we read",
    410: "the publisher has taken the feed down: remove it, or look for its new address",
    429: "too many requests: it is asked less often",
    451: "not available for legal reasons",
}


def explain(status: int) -> str:
    """Say what an HTTP status means for a feed, and what to do."""
    if status in _EXPLAINED:
        return f"HTTP {status}: {_EXPLAINED[status]}"
    if status == 226:
        return "HTTP 226: a part that was not asked for; tell the publisher"
    if status >= 500:
        return f"HTTP {status}: the server has a fault; it is asked again later"
    if status in (301, 302, 303, 307, 308):
        return f"HTTP {status}: a redirect that leads nowhere; look at the address in a browser"
    return f"HTTP {status}: not a feed; look at the address in a browser"


def _causes(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and len(chain) < 12:
        chain.append(step)
        step = step.__cause__ or step.__context__
    return chain


def transport_failure(url: str, error: httpx.TransportError) -> FetchError:
    """Put a transport's exception into one of our reasons."""
    for cause in _causes(error):
        if isinstance(cause, FetchError):
            return cause
        if isinstance(cause, ssl.SSLCertVerificationError):
            return FetchError(
                f"The server's certificate is not valid for {urlsplit(url).hostname} "
                f"({cause.verify_message}); it is never fetched insecurely",
                "tls",
            )
        if isinstance(cause, ssl.SSLError):
            return FetchError(
                f"No secure connection ({cause.reason or 'TLS error'}); tell the publisher", "tls"
            )
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            return FetchError(
                f"No more connections can be opened here ({cause.strerror}): raise the limit "
                "(`ulimit -n`, LimitNOFILE=); it is tried again later",
                "descriptors",
            )
    text = str(error)
    if isinstance(error, httpx.ConnectError):
        return FetchError(
            f"No connection to {urlsplit(url).netloc} ({_why(error)}); it is tried again later",
            "connect",
        )
    if "peer closed connection without sending complete message body" in text:
        return truncated()
    if isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.CloseError)):
        return FetchError(
            "The server broke the connection off; it is asked again later", "connection_lost"
        )
    if isinstance(error, httpx.ProxyError):
        return FetchError(f"The proxy refuses ({text[:120]}); check network.proxy", "proxy")
    return FetchError(
        f"The server's answer is not HTTP as it should be ({text[:120]}); tell the publisher",
        "bad_http",
    )


def _why(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return str(error)[:120] or type(error).__name__
