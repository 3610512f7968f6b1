"""The query string."""
