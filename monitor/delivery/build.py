"""From settings to senders: one for each configured channel."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.config.models import ChannelSettings, Settings
from monitor.delivery.apprise import AppriseSender
from monitor.delivery.console import ConsoleSender
from monitor.delivery.discord import DiscordSender
from monitor.delivery.sender import Sender
from monitor.delivery.slack.send import API_URL, SlackApi, SlackSender
from monitor.delivery.slack.webhook import SlackWebhookSender, is_slack_webhook
from monitor.delivery.webhook import JsonWebhookSender

LAST_RESORT = "console"


def build_senders(
    settings: Settings, console: ConsoleSender | None = None, *, interval: float = 1.0
) -> Mapping[str, Sender]:
    """Return a sender for each enabled channel, by its name.

    The channel that ``defaults.channel`` names is always there. A Slack channel without a token
    falls back to the incoming webhook, and without one to the console. ``interval`` is the least
    number of seconds between two messages in one Slack channel.
    """
    console = console or ConsoleSender()
    slack = settings.slack
    api = None
    if slack.token is not None:
        api = SlackApi(slack.token.get_secret_value(), slack.api_url or API_URL)
    webhook = None
    if slack.webhook is not None:
        webhook = SlackWebhookSender(slack.webhook.get_secret_value(), interval=interval)
    buttons = api is not None and slack.app_token is not None

    def sender(channel: ChannelSettings) -> Sender:
        if channel.console:
            return console
        if channel.webhook is not None:
            address = channel.webhook.get_secret_value()
            if is_slack_webhook(address):
                return SlackWebhookSender(address, interval=interval)
            key = channel.secret.get_secret_value() if channel.secret is not None else None
            return JsonWebhookSender(address, key)
        if channel.discord is not None:
            return DiscordSender(channel.discord.get_secret_value())
        if channel.apprise is not None:
            return AppriseSender(channel.apprise.get_secret_value())
        if channel.slack is not None and api is not None:
            return SlackSender(api, channel.slack, interval=interval, buttons=buttons)
        return webhook or console

    senders = {
        name: sender(channel) for name, channel in settings.channels.items() if channel.enabled
    }
    # Where alerts go when there is nowhere else (monitor.alerts.route.default_channel).
    for name in filter(None, (settings.defaults.channel, LAST_RESORT)):
        senders.setdefault(name, webhook or console)
    return senders
