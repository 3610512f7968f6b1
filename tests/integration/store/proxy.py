"""A TCP proxy on loopback whose network can be cut: connections fall silent, nobody is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Forwards bytes between a port of its own and a server. While it is cut nothing gets through,
    neither bytes nor the end of a connection."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0
        self._serving: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Let no byte through any more."""
        self._flowing.clear()

    def abandon(self) -> None:
        """Let nothing through any more on the connections there are: the server is not told that
        their client has gone. New ones are not concerned."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def heal(self) -> None:
        """Let bytes through again, for new connections; the old ones are reset."""
        await self._reset()
        self._flowing.set()

    async def _reset(self) -> None:
        for task in tuple(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers, flowing = [writer], self._flowing
        try:
            await flowing.wait()
            try:
                far_reader, far_writer = await asyncio.open_connection(*self._target)
            except OSError:
                return  # the server is down
            writers.append(far_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer, flowing))
                group.create_task(self._pump(far_reader, writer, flowing))
        finally:
            for each in writers:
                each.transport.abort()
                with suppress(OSError):
                    await each.wait_closed()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await flowing.wait()
                writer.write(data)
                await writer.drain()
        await flowing.wait()
        writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await self._reset()
