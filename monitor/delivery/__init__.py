"""Delivery: takes what the outbox owes to the channels, each message once."""

from monitor.delivery.build import build_senders
from monitor.delivery.console import ConsoleSender
from monitor.delivery.lanes import ChannelHealth, Pace
from monitor.delivery.notices import queued
from monitor.delivery.outbox import Deliverer
from monitor.delivery.sender import Sender

__all__ = [
    "ChannelHealth",
    "ConsoleSender",
    "Deliverer",
    "Pace",
    "Sender",
    "build_senders",
    "queued",
]
