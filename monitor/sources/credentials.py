"""A feed's own headers, login and cookies, and to whom they may be sent. Pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import SplitResult

from monitor.values import Feed

_PORTS = {"http": 80, "https": 443}


def feed_headers(feed: Feed, origin: SplitResult, here: SplitResult) -> Mapping[str, str]:
    """Return the headers that ``feed`` adds to a request for ``here``.

    ``origin`` is the address they were given for. Any of them may be a secret (X-Api-Key), so none
    goes to another host, and none that was meant for https goes over http.
    """
    if not _trusted(origin, here):
        return {}
    found: dict[str, str] = {}
    for name, value in feed.headers:
        if name.lower() == "cookie" and ("\t" in value or "\n" in value):
            value = _cookies(value, here)
            if not value:
                continue
        found[name] = value
    if feed.basic_auth is not None:
        pair = ":".join(feed.basic_auth).encode()
        found["Authorization"] = "Basic " + b64encode(pair).decode("ascii")
    return found


def _trusted(origin: SplitResult, here: SplitResult) -> bool:
    if origin.hostname != here.hostname:
        return False
    if (origin.scheme, here.scheme) == ("http", "https"):  # the same site, moved to https
        return _port(origin) == _port(here) or (origin.port is None and here.port is None)
    return origin.scheme == here.scheme and _port(origin) == _port(here)


def _port(address: SplitResult) -> int | None:
    return address.port or _PORTS.get(address.scheme)


def _cookies(jar: str, here: SplitResult) -> str:
    """Return the Cookie header for ``here`` out of a cookie file as browsers export it (Netscape's
    format: domain, subdomains too, path, secure, expiry, name, value, between tabs)."""
    host, path = (here.hostname or "").lower(), here.path or "/"
    pairs: list[str] = []
    for line in jar.splitlines():
        fields = line.strip().removeprefix("#HttpOnly_").split("\t")
        if line.startswith("# ") or len(fields) != 7:
            continue
        domain, _, below, secure, _, name, value = fields
        domain = domain.lower()
        fits = host == domain.lstrip(".") or (domain.startswith(".") and host.endswith(domain))
        if fits and path.startswith(below) and (secure != "TRUE" or here.scheme == "https"):
            pairs.append(f"{name}={value}")
    return "; ".join(pairs)
