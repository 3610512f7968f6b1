"""Alerts as they come: the stream, what a browser missed, how many may watch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack

import httpx
import pytest
from starlette.requests import Request

from monitor.web import events
from monitor.web.events import Hub, Piece
from tests.integration.web.site import Site


def piece(ident: str, more: str = "") -> Piece:
    return Piece(ident, more, lambda: f"<article id={ident}>{more}")


class Lines:
    """A list that changes, and a hub over it."""

    def __init__(self, *idents: str) -> None:
        self.pieces = [piece(ident) for ident in idents]
        self.hub = Hub(self.read)

    async def read(self) -> Sequence[Piece]:
        return self.pieces

    async def stream(self, last: str, events: int) -> list[str]:
        """Return the first ``events`` events of a browser that saw ``last``."""
        headers = [(b"last-event-id", last.encode())] if last else []
        scope = {"type": "http", "method": "GET", "headers": headers, "query_string": b""}
        response = await self.hub.respond(Request(scope))
        out: list[str] = []
        async for chunk in response.body_iterator:  # type: ignore[attr-defined]
            if "event:" in chunk:
                out.append(chunk)
            if len(out) >= events:
                break
        await response.body_iterator.aclose()  # type: ignore[attr-defined]
        return out


def test_a_browser_gets_what_it_missed_and_what_comes() -> None:
    async def main() -> None:
        lines = Lines("b", "a")
        _, last = await lines.hub.look()
        lines.pieces.insert(0, piece("c"))
        lines.pieces[2] = piece("a", "\nsent")
        coming = asyncio.create_task(lines.stream(last, 2))
        first, second = await asyncio.wait_for(coming, 10)
        assert first.endswith("event: alert\ndata: <article id=a>\ndata: sent\n\n")
        assert second.endswith("event: alert\ndata: <article id=c>\n\n")
        again = second.split("\n")[0].removeprefix("id: ")
        lines.pieces.insert(0, piece("d"))
        (event,) = await asyncio.wait_for(lines.stream(again, 1), 10)
        assert "id=d" in event
        lines.hub.close()

    asyncio.run(main())


@pytest.mark.parametrize("last", ["", "other-1", "{start}-999", "{start}-x", "\u0661", "-"])
def test_a_browser_from_before_gets_the_whole_list(last: str) -> None:
    async def main() -> None:
        lines = Lines("b", "a")
        _, known = await lines.hub.look()
        start = known.partition("-")[0]
        (event,) = await lines.stream(last.format(start=start).encode("utf-8").decode("latin-1"), 1)
        assert "event: all\ndata: <article id=b>\ndata: <article id=a>\n\n" in event
        lines.hub.close()

    asyncio.run(main())


def test_one_that_missed_more_than_is_kept_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        lines = Lines("a")
        _, last = await lines.hub.look()
        for number in range(events.KEPT + 1):
            lines.pieces = [piece("a", str(number))]
            await lines.hub.look()
        (event,) = await lines.stream(last, 1)
        assert "event: all" in event
        lines.hub.close()

    asyncio.run(main())


def test_a_silent_stream_beats_and_ends_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.05)

    async def main() -> None:
        lines = Lines("a")
        _, last = await lines.hub.look()
        scope = {
            "type": "http",
            "method": "GET",
            "headers": [],
            "query_string": b"last=" + last.encode(),
        }
        response = await lines.hub.respond(Request(scope))
        chunks = response.body_iterator.__aiter__()  # type: ignore[attr-defined]
        assert await anext(chunks) == "retry: 3000\n\n"
        assert await anext(chunks) == ":\n\n"
        lines.hub.close()
        assert [chunk async for chunk in chunks] in ([], [":\n\n"])
        assert (await lines.hub.respond(Request(scope))).status_code == 503

    asyncio.run(main())


def test_only_so_many_may_watch(shared: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        statuses, streams = [], []
        for _ in range(events.CLIENTS + 2):
            client = stack.enter_context(httpx.Client(base_url=shared.url, timeout=10))
            answer = stack.enter_context(client.stream("GET", "/events"))
            if answer.status_code == 200:
                streams.append(answer.iter_text())
                next(streams[-1])  # it holds its place from its first word on
            statuses.append(answer.status_code)
        assert statuses == [200] * events.CLIENTS + [503, 503]
        assert shared.client.get("/").status_code == 200
