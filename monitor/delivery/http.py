"""One address that takes POSTs: a session of its own, no redirects, the address kept secret."""

from __future__ import annotations

import hashlib

import aiohttp

from monitor.delivery.sender import Result
from monitor.delivery.slack.answers import from_exception

ANSWER_MAX = 4096  # bytes of an answer that are read: enough for any error message


class Poster:
    """Posts to ``address``. ``name`` is its digest: addresses of webhooks are secrets."""

    def __init__(self, address: str, timeout: float) -> None:
        self._address = address
        self.name = hashlib.sha256(address.encode()).hexdigest()[:12]
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=10)
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], str] | Result:
        """Return (status, headers, text) of the answer, or what a failure means."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=True)
        try:
            async with self._session.post(
                self._address, data=body, headers=headers, allow_redirects=False
            ) as answer:
                text = (await answer.content.read(ANSWER_MAX)).decode("utf-8", "replace")
                return answer.status, dict(answer.headers), text
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # An address stands in some errors' texts, and it is a secret.
            return from_exception(error, hide=self._address)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
