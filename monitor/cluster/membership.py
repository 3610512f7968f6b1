"""One worker among others: what it tells them of itself, and whose configuration is in force.

One configuration is in force in a cluster, the one announced last. A worker with another one waits
for as long as somebody lives by that one, and then puts its own in force.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
from collections.abc import Mapping, Sequence

from monitor.clock import SharedClock
from monitor.config.models import Settings
from monitor.errors import StateError
from monitor.ids import new_id
from monitor.store.postgres import PgStore, WorkerRow, cluster

log = logging.getLogger(__name__)


def settings_digest(settings: Settings) -> str:
    """Return a digest of what a configuration says.

    Secrets play no part, nor does the database's address: a machine may know it by another name.
    """
    bare = settings.model_copy(update={"rules": []}).model_dump_json(exclude={"state"})
    head, empty, tail = bare.partition('"rules":[]')
    total = hashlib.sha256(f"{head}{empty[:-1]}".encode())
    # Rule by rule: all at once would hold up every other thread for as long as it takes.
    for number, rule in enumerate(settings.rules):
        total.update(f"{',' if number else ''}{rule.model_dump_json()}".encode())
    total.update(f"{empty[-1:]}{tail}".encode())
    return total.hexdigest()


class Membership:
    """A worker's entry in the list of workers. ``waits``: another configuration is in force."""

    def __init__(self, store: PgStore, clock: SharedClock, digest: str) -> None:
        self.digest = digest
        self.waits = False
        self._store = store
        self._clock = clock
        self._began = clock.now()
        self._id = new_id(self._began)

    async def beat(self, metrics: Mapping[str, object]) -> bool:
        """Say that we live, and look whether our configuration is in force.

        Where it isn't and nobody lives by the one that is, ours takes its place: True then.
        """
        await self._clock.follow(lambda: cluster.server_now(self._store.pool))
        await cluster.beat(
            self._store.pool,
            self._id,
            socket.gethostname(),
            os.getpid(),
            self.digest,
            self._began,
            {**metrics, "waits": self.waits},
        )
        in_force = await cluster.in_force(self._store.pool)
        if in_force == self.digest and self._store.config_hash == self.digest:
            self.waits = False
            return False
        others = await self._living_by(in_force)
        if others:
            if not self.waits:
                log.warning(
                    "another configuration is in force: this worker waits until its own file is "
                    "the same, or the others have ended",
                    extra={
                        "ours": self.digest[:12],
                        "theirs": others[0].config_hash[:12],
                        "by": named(others),
                    },
                )
            self.waits = True
            return False
        await self.announce()
        return True

    async def announce(self, digest: str | None = None) -> None:
        """Put our configuration in force, or a new one of that ``digest``."""
        self.digest = digest or self.digest
        await cluster.announce(self._store.pool, self.digest, self._id)
        self._store.config_hash = self.digest
        self.waits = False

    async def others(self) -> Sequence[WorkerRow]:
        """Return the workers for whose sake ours must wait."""
        return await self._living_by(await cluster.in_force(self._store.pool))

    async def _living_by(self, in_force: str | None) -> Sequence[WorkerRow]:
        if in_force in (None, self.digest):
            return ()
        return [
            each
            for each in await cluster.workers(self._store.pool)
            if each.alive and each.config_hash == in_force and each.id != self._id
        ]

    async def farewell(self) -> None:
        """Say that we have ended."""
        try:
            await cluster.farewell(self._store.pool, self._id)
        except StateError as error:
            log.warning("left without a word", extra={"reason": str(error)})


def named(workers: Sequence[WorkerRow]) -> str:
    """Return in words which workers these are."""
    first = f"process {workers[0].pid} on {workers[0].host}"
    return first if len(workers) == 1 else f"{first} and {len(workers) - 1} more"
