"""The state behind the fake: channels, messages, buckets, and a ledger of every request."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from monitor.clock import Clock, SystemClock

BOT = "U0NEWSWATCH"
TOKEN = "xoxb-fake-token"
APP_TOKEN = "xapp-fake-token"
SCOPES = frozenset(
    {
        "chat:write",
        "chat:write.public",
        "channels:history",
        "groups:history",
        "channels:read",
        "groups:read",
        "commands",
    }
)
DEFAULT_CHANNELS = ("news-watch", "news-watch-ops", "syria-desk", "general")


@dataclass(slots=True)
class Message:
    """A stored message. ``visible_at`` is when history shows it (monotonic seconds)."""

    ts: str
    channel: str
    body: dict[str, Any]
    stored_at: float
    visible_at: float
    edits: int = 0

    @property
    def text(self) -> str:
        return str(self.body.get("text") or "")

    @property
    def thread_ts(self) -> str | None:
        return self.body.get("thread_ts")

    @property
    def delivery_id(self) -> str | None:
        metadata = self.body.get("metadata") or {}
        found = (metadata.get("event_payload") or {}).get("delivery_id")
        return found if isinstance(found, str) else None


@dataclass(slots=True)
class Channel:
    id: str
    name: str
    member: bool = True
    private: bool = False
    archived: bool = False
    messages: list[Message] = field(default_factory=list)


@dataclass(slots=True)
class Call:
    """One request as it came in; ``answer`` is filled when it is answered."""

    at: float
    method: str
    channel: str
    status: int = 0
    error: str = ""


@dataclass(slots=True)
class Bucket:
    """``rate`` a second, ``burst`` at once. Real Slack allows short bursts without promising."""

    rate: float
    burst: float
    clock: Clock
    tokens: float = field(init=False)
    at: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = self.burst
        self.at = self.clock.monotonic()

    def wait(self, slack: float = 0.02) -> float:
        """Take one token and return 0, or return the seconds until there is one. ``slack`` is
        what network jitter may eat of the interval."""
        if self.rate <= 0:
            return 0.0
        now = self.clock.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens >= 1 - slack * self.rate:
            self.tokens = max(0.0, self.tokens - 1)
            return 0.0
        return (1 - self.tokens) / self.rate


@dataclass(slots=True)
class Workspace:
    """Settings of the fake and everything it has seen, by its ``clock``.

    ``message_rate`` is per channel and second (0: no limit); ``history_rate`` per minute, with at
    most ``history_limit`` messages a page (an app under the 2025 limits: 1 and 15);
    ``history_lag`` seconds until a message shows in history; ``down``: "" (up), "refuse" (every
    request 503), or "reset" (connections are cut).
    """

    message_rate: float = 1.0
    message_burst: float = 1.0
    history_rate: float = 50.0
    history_limit: int = 999
    history_lag: float = 0.0
    update_rate: float = 50.0
    latency: float = 0.0
    retry_after: int = 1
    down: str = ""
    scopes: frozenset[str] = SCOPES
    token_error: str = ""  # "token_revoked", "account_inactive" …
    errors: dict[str, str] = field(default_factory=dict)  # channel name → error for posts
    channels: dict[str, Channel] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    early: list[Call] = field(default_factory=list)
    hooks: list[dict[str, Any]] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    responses: list[dict[str, Any]] = field(default_factory=list)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    rest_until: dict[str, float] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
    _last_ts: int = 0

    def __post_init__(self) -> None:
        for name in DEFAULT_CHANNELS:
            self.add_channel(name)

    def add_channel(self, name: str, **settings: Any) -> Channel:
        channel = Channel(f"C0{len(self.channels) + 1:09d}", name, **settings)
        self.channels[name] = channel
        return channel

    def find(self, name_or_id: str) -> Channel | None:
        bare = name_or_id.lstrip("#")
        if bare in self.channels:
            return self.channels[bare]
        return next((each for each in self.channels.values() if each.id == bare), None)

    def next_ts(self) -> str:
        stamp = max(int(self.clock.now().timestamp() * 1_000_000), self._last_ts + 1)
        self._last_ts = stamp
        return f"{stamp // 1_000_000}.{stamp % 1_000_000:06d}"

    def store(self, channel: Channel, body: dict[str, Any]) -> Message:
        now = self.clock.monotonic()
        message = Message(self.next_ts(), channel.name, body, now, now + self.history_lag)
        channel.messages.append(message)
        return message

    def bucket(self, name: str, rate: float, burst: float) -> Bucket:
        found = self.buckets.get(name)
        if found is None or found.rate != rate:
            found = self.buckets[name] = Bucket(rate, burst, self.clock)
        return found

    # What tests ask ----------------------------------------------------------------------------

    def messages(self, channel: str = "", *, threads: bool = True) -> list[Message]:
        """Return what is stored, oldest first; ``threads=False`` leaves answers out."""
        chosen = [self.find(channel)] if channel else list(self.channels.values())
        found = [message for each in chosen if each for message in each.messages]
        found = [message for message in found if threads or message.thread_ts is None]
        return sorted(found, key=lambda message: message.ts)

    def duplicates(self) -> dict[str, int]:
        """Return delivery ids that are stored more than once."""
        counts = Counter(message.delivery_id for message in self.messages())
        return {name: count for name, count in counts.items() if name and count > 1}

    def count(self, method: str) -> int:
        return sum(call.method == method for call in self.calls)
