"""Slack: rendering to Block Kit, sending, settling unclear outcomes, and people's actions."""
