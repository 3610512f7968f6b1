"""The process in which documents are read: jobs on stdin, answers on stdout, until stdin ends.

Each message is eight bytes of length and a pickle. The parent is the only one that writes to it.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from monitor.errors import ParseError
from monitor.sources.parse.read import parse

try:
    import resource
except ImportError:  # pragma: no cover - not on Windows
    resource = None  # type: ignore[assignment]

_LENGTH = struct.Struct("!Q")
_OPEN_FILES = 32  # a parser opens none; imports need a few


def _extract(body: bytes, **options: Any) -> Any:
    from monitor.sources.extract import extract  # trafilatura takes 0.5 s and 60 MB to load

    return extract(body, **options)


JOBS: dict[str, Callable[..., Any]] = {"parse": parse, "extract": _extract}


def main() -> None:
    """Serve jobs; ``argv[1]`` is the address space in bytes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes to stderr, not between the answers
    _limit(int(sys.argv[1]))
    gc.freeze()  # what was imported stays: the collector needn't look at it again
    gc.set_threshold(50_000)  # one document makes 100,000 short-lived objects and no cycles
    _send(answers, ("ready", None))
    while (request := _receive(sys.stdin.buffer)) is not None:
        try:
            answer = _answer(*request)
        except MemoryError:
            os._exit(1)  # nothing can be trusted after this; the parent starts another
        _send(answers, answer)


def _answer(job: str, body: bytes, options: dict[str, Any], limit: float) -> tuple[str, Any]:
    _bound(limit)
    try:
        return "ok", JOBS[job](body, **options)
    except ParseError as error:
        return "error", (str(error), error.reason)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - one bad document must not end the worker
        return "error", (
            f"The document can't be read: {type(error).__name__}: {str(error)[:200]}",
            "parser_failed",
        )
    finally:
        _bound(0)


def _bound(seconds: float) -> None:
    """Let the process be killed when it has used so much CPU time from now on; 0 lifts it."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit(memory: int) -> None:
    if resource is None:
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _receive(stream: BinaryIO) -> tuple[str, bytes, dict[str, Any], float] | None:
    """Read a job: what is to be done, pickled, then the body as it is."""
    pickled = _part(stream)
    body = _part(stream)
    if pickled is None or body is None:
        return None
    job, options, limit = pickle.loads(pickled)
    return job, body, options, limit


def _part(stream: BinaryIO) -> bytes | None:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    return data if len(data) == length else None


def _send(stream: BinaryIO, message: Any) -> None:
    data = pickle.dumps(message, protocol=5)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()
