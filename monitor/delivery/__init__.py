"""Delivery: takes what the outbox owes to the channels, each message once."""

from monitor.delivery.build import build_senders, default_channel
from monitor.delivery.console import ConsoleSender
from monitor.delivery.outbox import ChannelHealth, Deliverer, Pace, queued
from monitor.delivery.sender import Sender

__all__ = [
    "ChannelHealth",
    "ConsoleSender",
    "Deliverer",
    "Pace",
    "Sender",
    "build_senders",
    "default_channel",
    "queued",
]
