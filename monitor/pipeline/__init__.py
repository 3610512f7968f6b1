"""From a poll to the outbox: what is new, what matches, which story it is, what is told."""
