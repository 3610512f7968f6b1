"""What a feed's address may be: http, https, or a file under the configuration's folder.

Only the spelling is looked at; which addresses may be dialled is ``monitor.sources.guard``'s word.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_HOST = re.compile(r"[\w](?:[\w.\-]*[\w])?\.?", re.UNICODE)


class BadAddress(ValueError):
    """An address that can't be used: the message, and what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def split_web_address(url: str) -> SplitResult:
    """Return the parts of an http(s) URL; raises ``BadAddress``."""
    if not url:
        raise BadAddress("an empty address")
    if "\\" in url or _CONTROL.search(url):
        raise BadAddress("an address with a blank, a backslash or a control character")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # its message may quote a secret
        raise BadAddress("not an address: check its host and port") from None
    scheme = parts.scheme.lower()
    if not scheme or (scheme not in {"http", "https"} and "//" not in url and "." in scheme):
        raise BadAddress("an address without a scheme", "start it with https://")
    if scheme not in {"http", "https"}:
        raise BadAddress(f"the scheme `{scheme}:` is not supported", "use http or https")
    if parts.username is not None or parts.password is not None:
        raise BadAddress(
            "an address with a user name or password in it",
            "use `auth: {user: …, password: ${NAME}}`",
        )
    if not host:
        raise BadAddress("an address without a host", "write https://host/path")
    if not _is_host(host):
        raise BadAddress("an address with a host that can't be a name")
    return parts


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host.partition("%")[0])
        except ValueError:
            return False
        return True
    return bool(_HOST.fullmatch(host)) and ".." not in host and len(host) <= 253


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` names this machine by itself."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def local_file(url: str, folder: Path) -> Path:
    """Return the file a ``file:`` address names; raises ``BadAddress`` outside ``folder``.

    ``folder`` is the configuration's. Symbolic links are followed before looking.
    """
    rest = url[len("file:") :]
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        if authority not in ("", "localhost"):
            raise BadAddress("a file address with a host", "write file:path/to/feed.xml")
        rest = slash + path
    rest = unquote(rest)
    if not rest or "\x00" in rest:
        raise BadAddress("a file address without a path", "write file:path/to/feed.xml")
    root = folder.resolve()
    try:
        target = (root / rest).resolve()
    except (OSError, RuntimeError) as error:
        raise BadAddress(f"a file that can't be found: {error}") from None
    if target == root or not target.is_relative_to(root):
        raise BadAddress(
            "a file outside the configuration's folder", "put it beside the configuration"
        )
    return target
