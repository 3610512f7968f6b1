"""Fetching over real sockets: a scripted server, and one call that fetches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

import pytest

from monitor.clock import Clock, SystemClock
from monitor.config.models import NetworkSettings
from monitor.sources.fetch import Fetcher
from monitor.sources.outcome import FetchLimits, FetchOutcome
from monitor.sources.resolve import Resolver
from monitor.store.port import Validators
from monitor.values import Feed
from tests.feedserver import FeedServer

Transport = Literal["own", "stock"]


class Fetch(Protocol):
    """Fetches one URL with a Fetcher made for it."""

    def __call__(
        self,
        url: str,
        validators: Validators = ...,
        *,
        limits: FetchLimits = ...,
        network: NetworkSettings = ...,
        feed: Feed | None = ...,
        resolver: Resolver | None = ...,
    ) -> FetchOutcome: ...


class FetchAll(Protocol):
    """Fetches many URLs at once with one Fetcher."""

    def __call__(
        self,
        urls: Sequence[str],
        *,
        limits: FetchLimits = ...,
        network: NetworkSettings = ...,
        resolver: Resolver | None = ...,
    ) -> list[FetchOutcome]: ...


LOOPBACK = NetworkSettings(allow=["127.0.0.1/32"])
QUICK = FetchLimits(deadline=1.0, connect=0.5)


def a_feed(url: str) -> Feed:
    return Feed(key=url, url=url, name="A feed")


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return SystemClock()


@pytest.fixture
def make_fetch(clock: Clock, tmp_path: Path) -> Callable[[Transport], Fetch]:
    def make(transport: Transport) -> Fetch:
        def fetch(
            url: str,
            validators: Validators = Validators(),  # noqa: B008 - frozen
            *,
            limits: FetchLimits = QUICK,
            network: NetworkSettings = LOOPBACK,
            feed: Feed | None = None,
            resolver: Resolver | None = None,
        ) -> FetchOutcome:
            settings = network.model_copy(update={"transport": transport})

            async def once() -> FetchOutcome:
                fetcher = Fetcher(
                    settings, clock, config_dir=tmp_path, limits=limits, resolver=resolver
                )
                try:
                    asked = feed or a_feed(url)
                    return await fetcher.fetch(replace(asked, url=url), validators)
                finally:
                    await fetcher.aclose()

            return asyncio.run(once())

        return fetch

    return make


@pytest.fixture(params=["own", "stock"])
def fetch(request: pytest.FixtureRequest, make_fetch: Callable[[Transport], Fetch]) -> Fetch:
    """Fetch over each transport in turn: both must hold what is promised."""
    return make_fetch(request.param)


@pytest.fixture
def fetch_own(make_fetch: Callable[[Transport], Fetch]) -> Fetch:
    return make_fetch("own")


@pytest.fixture
def fetch_all(clock: Clock, tmp_path: Path) -> FetchAll:
    def fetch(
        urls: Sequence[str],
        *,
        limits: FetchLimits = QUICK,
        network: NetworkSettings = LOOPBACK,
        resolver: Resolver | None = None,
    ) -> list[FetchOutcome]:
        async def all_of_them() -> list[FetchOutcome]:
            fetcher = Fetcher(network, clock, config_dir=tmp_path, limits=limits, resolver=resolver)
            try:
                return await asyncio.gather(*(fetcher.fetch(a_feed(url)) for url in urls))
            finally:
                await fetcher.aclose()

        return asyncio.run(all_of_them())

    return fetch
