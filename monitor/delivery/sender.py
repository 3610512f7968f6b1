"""What a channel's sender is given and what it answers: values, never exceptions.

Contains no state machine (see ``outbox``) and no network: only the contract between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from monitor.values import Alert, Receipt

Form = Literal["full", "short", "plain"]
FORMS: tuple[Form, ...] = ("full", "short", "plain")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One call to a channel: post ``alert`` anew, under a root, or over a root.

    ``id`` is the delivery id, the same for every try of one outbox row. ``root`` is the message
    whose thread is meant (or, with ``edit``, the message to replace). ``earlier`` is an older root
    of the same story to link back to. ``form`` is "full", or a smaller spelling after the channel
    refused the larger one. With ``broadcast`` an answer in a thread shows in the channel too.
    """

    id: str
    alert: Alert
    form: Form = "full"
    root: Receipt | None = None
    edit: bool = False
    earlier: Receipt | None = None
    broadcast: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """The channel has it. ``receipt`` is None where the channel gives none (webhooks)."""

    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Not taken: nothing more to this channel for ``retry_after`` seconds. Costs no attempt."""

    retry_after: float


@dataclass(frozen=True, slots=True)
class NotReached:
    """The request never reached the channel (DNS, refused connection). Costs no attempt."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """It may or may not have been posted (timeout, reset, 5xx, an answer that can't be read)."""

    reason: str


@dataclass(frozen=True, slots=True)
class ChannelRefused:
    """Nothing can be posted there until a person acts; ``hint`` tells what to do."""

    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """This message, in this form, will never be taken."""

    reason: str


@dataclass(frozen=True, slots=True)
class TryLater:
    """Refused for a reason we don't know: tried again a few times, then dead."""

    reason: str


@dataclass(frozen=True, slots=True)
class RootGone:
    """The message to edit or to answer was deleted or can't be edited any more."""

    reason: str


Result = (
    Sent
    | RateLimited
    | NotReached
    | Unclear
    | ChannelRefused
    | MessageRefused
    | TryLater
    | RootGone
)


@dataclass(frozen=True, slots=True)
class Look:
    """A question to the channel's history: which of ``ids`` are there?

    ``since`` bounds how far back to read; with ``root`` its thread is read instead of the channel.
    ``cursor`` continues an earlier look that was cut short. ``channel_id`` is the channel's ID by
    earlier receipts, for an app that may not list channels. ``now`` is the asker's time: ``since``
    is told by the same clock, which may differ from the service's.
    """

    ids: frozenset[str]
    since: datetime
    root: Receipt | None = None
    cursor: str | None = None
    channel_id: str | None = None
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What one page of history showed: receipts by delivery id, oldest first; ``cursor`` is None
    when the history was read to its end."""

    found: dict[str, tuple[Receipt, ...]] = field(default_factory=dict)
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class CantLook:
    """The history can't be read; ``reason`` names the missing scope or the failure. With
    ``lasting`` it won't be readable until a person acts."""

    reason: str
    lasting: bool = False


class Sender(Protocol):
    """Delivers to one channel.

    ``lane`` names what shares one message rate (two configured channels may be one Slack channel);
    ``service`` what fails and is probed together. ``interval`` is the least number of seconds
    between two messages in the lane. ``threads``: messages can be edited and answered. ``looks``:
    history can be read, so an unclear outcome can be settled.
    """

    @property
    def lane(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def interval(self) -> float: ...
    @property
    def threads(self) -> bool: ...
    @property
    def looks(self) -> bool: ...

    async def send(self, message: Outgoing) -> Result:
        """Make one call. Never raises for what the network or the channel does."""

    async def look(self, question: Look) -> Seen | RateLimited | CantLook:
        """Read one page of the channel's history."""

    async def remove(self, receipt: Receipt) -> Result:
        """Delete a message of ours (a late double)."""

    async def probe(self) -> Result:
        """Ask the service for a sign of life, without posting."""

    async def aclose(self) -> None: ...


class OneWay:
    """The defaults of a channel that only takes messages: no threads, no history."""

    lane = ""
    service = ""
    interval = 0.0
    threads = False
    looks = False

    async def look(self, question: Look) -> Seen | RateLimited | CantLook:
        return CantLook("this channel keeps no readable history", lasting=True)

    async def remove(self, receipt: Receipt) -> Result:
        return MessageRefused("this channel can't delete")

    async def probe(self) -> Result:
        return Sent()

    async def aclose(self) -> None:
        """Nothing to close."""


def lanes(senders: Sequence[Sender]) -> tuple[str, ...]:
    """Return the distinct lanes of ``senders``, in order."""
    return tuple(dict.fromkeys(sender.lane for sender in senders))
