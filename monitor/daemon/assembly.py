"""Puts the parts together for one configuration file: lock, store, stages, daemon."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

from monitor import logs
from monitor.clock import Clock, SharedClock, SystemClock
from monitor.config.load import load
from monitor.config.models import Settings
from monitor.config.reload import Reloader
from monitor.daemon.daemon import Daemon
from monitor.daemon.reactions import InForce, Reactions
from monitor.delivery.build import build_senders
from monitor.delivery.outbox import Deliverer
from monitor.delivery.preflight import WORKSPACE_BLOB, refused_token, workspace_of
from monitor.delivery.slack.send import API_URL
from monitor.delivery.slack.socket import SocketMode
from monitor.errors import ConfigError, Problem
from monitor.jobs.local import LocalQueue
from monitor.loading import (
    compiled_watch,
    out_of_sight,
    recompiled_watch,
    state_target,
    uncollected,
)
from monitor.rules.index.frequencies import BLOB as FREQUENCIES
from monitor.rules.index.frequencies import Frequencies
from monitor.rules.text import search_tokens
from monitor.sources.fetch import Fetcher
from monitor.sources.parse import ParsePool
from monitor.sources.websub_server import websub_server
from monitor.store import open_store
from monitor.store.lock import StateLock
from monitor.store.port import Store
from monitor.store.sqlite import SqliteStore
from monitor.values import Document
from monitor.watching import Watching, watching

log = logging.getLogger(__name__)


def daemon_kind(store: Store, concurrency: int | None, waits: bool) -> Callable[..., Daemon]:
    """Return what makes a daemon for ``store``: one that shares it, where it can be shared."""
    if isinstance(store, SqliteStore):
        return Daemon
    from monitor.cluster.worker import CONCURRENCY, Worker

    return partial(Worker, concurrency=concurrency or CONCURRENCY, waits=waits)


@asynccontextmanager
async def assembled(
    config: Path,
    env: Mapping[str, str],
    *,
    redactor: logs.Redactor | None = None,
    clock: Clock | None = None,
    random: Random | None = None,
    concurrency: int | None = None,
    waits: bool = True,
) -> AsyncIterator[Daemon]:
    """Yield a started daemon for ``config``; closes everything it opened at the end.

    With a store that others may share it is a worker of the cluster: it goes by the store's clock,
    ``concurrency`` is how many shards it polls at once, and where others have another
    configuration it ``waits`` for them, or refuses.

    Raises ``ConfigError`` for a configuration that can't be used, ``AlreadyRunning`` when another
    process holds the state directory, ``StateError`` for a store that can't be used.
    """
    clock = clock or SystemClock()
    random = random or Random()
    redactor = redactor or logs.Redactor()
    with uncollected():
        reloader = Reloader(config, env)
        loaded = load(config, env)
        redactor.add(loaded.secrets)
        compiled, warnings = compiled_watch(loaded)
        out_of_sight(loaded.settings)
    for problem in warnings:
        if problem.level == "warning":
            log.warning(str(problem))
    current = watching(loaded, compiled)
    async with AsyncExitStack() as stack:
        target = state_target(loaded)
        if "://" in target:
            clock = SharedClock(clock)
        else:
            stack.enter_context(StateLock(Path(target)))
        store = await open_store(target, now=clock.now(), tokenize=search_tokens)
        stack.push_async_callback(store.close)
        if learned := await store.blob(FREQUENCIES):
            ruleset = current.ruleset.with_frequencies(Frequencies.from_bytes(learned))
            current = replace(current, ruleset=ruleset)

        def fetcher_for(settings: Settings) -> Fetcher:
            fetcher = Fetcher(settings.network, clock, config_dir=config.resolve().parent)
            stack.push_async_callback(fetcher.aclose)
            return fetcher

        parser = ParsePool()
        stack.push_async_callback(parser.aclose)
        senders = build_senders(current.settings)
        deliverer = Deliverer(store, senders, clock, random=random)
        stack.push_async_callback(deliverer.aclose)
        if refusal := await refused_token(senders):
            place = loaded.positions.place(("slack", "token"))
            message = f"Slack refuses the token: {refusal.reason}"
            raise ConfigError([Problem(message, place, refusal.hint)])
        if workspace := workspace_of(senders):
            await store.put_blobs({WORKSPACE_BLOB: workspace.encode()})

        def reload() -> Watching | None:
            with uncollected():
                return reloaded()

        def reloaded() -> Watching | None:
            fresh = reloader.check()
            if fresh is None:
                return None
            redactor.add(fresh.secrets)
            fresh, recompiled, _ = recompiled_watch(fresh, current.settings, current.ruleset)
            if state_target(fresh) != target:
                log.warning("`state` changed: it takes effect at the next start")
            # The gazetteer is built at its first use, which takes a moment: here, in the thread
            # that reloads, and not in the event loop with the first alert.
            recompiled.ruleset.entities(Document("", ""))
            fresh_watching = watching(fresh, recompiled)
            out_of_sight(fresh.settings)
            return fresh_watching

        async def rewire(fresh: Watching) -> None:
            nonlocal current
            await deliverer.replace_senders(build_senders(fresh.settings))
            if fresh.settings.network != current.settings.network:
                # The old one is closed at the end: polls in flight still use it.
                daemon.use_fetcher(fetcher_for(fresh.settings))
            current = fresh

        daemon = daemon_kind(store, concurrency, waits)(
            store=store,
            queue=LocalQueue(),
            fetcher=fetcher_for(current.settings),
            parser=parser,
            deliverer=deliverer,
            current=current,
            clock=clock,
            random=random,
            reload=reload,
            rewire=rewire,
        )
        network = current.settings.network
        if network.websub_callback is not None:
            daemon.callback = partial(
                websub_server,
                network.websub_callback,
                network.websub_listen,
                store,
                daemon.current_fetcher,
                clock,
                daemon.current_states,
                daemon.take_push,
            )
        if current.settings.web.enabled:
            _add_web(daemon, store, deliverer, clock, config, env)
        slack = current.settings.slack
        if slack.app_token is not None and slack.token is not None:
            reactions = Reactions(
                store, clock, lambda: InForce(current.settings, current.feeds), config, env
            )
            daemon.listener = SocketMode(
                slack.app_token.get_secret_value(),
                slack.token.get_secret_value(),
                reactions,
                slack.api_url or API_URL,
            )
            stack.push_async_callback(daemon.listener.aclose)
        await daemon.start()
        del loaded  # a hundred thousand feeds, as they were written
        yield daemon


def _add_web(
    daemon: Daemon,
    store: Store,
    deliverer: Deliverer,
    clock: Clock,
    config: Path,
    env: Mapping[str, str],
) -> None:
    """Give the daemon its status page, where the packages for it are installed."""
    try:
        from monitor.web.app import web_app
        from monitor.web.metrics import Metrics
        from monitor.web.serve import beside_the_daemon
        from monitor.web.source import Source
    except ModuleNotFoundError as error:
        log.error(
            "no status page: install newswatch[web]", extra={"reason": f"{error.name} is missing"}
        )
        return
    metrics = Metrics(clock)
    daemon.observer = metrics
    deliverer.on_settled = metrics.settled
    source = Source(
        store,
        clock,
        daemon.current_watching,
        config,
        env,
        metrics,
        daemon.current_states,
        daemon.progress.rounds,
        lambda: daemon.trouble.words,
    )
    daemon.web = beside_the_daemon(web_app(source), daemon.current_watching().settings.web.listen)
