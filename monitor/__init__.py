"""A self-hosted news watch for Slack: feeds in, each matching story posted once."""

__version__ = "0.1.0"
