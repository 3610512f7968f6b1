"""A strict stand-in for Slack's Web API on a real socket, spoken to by the real slack-sdk.

It enforces what Slack documents: message limits, one message a second in a channel, 429 with
Retry-After, scopes, threads, metadata; and it can fail the ways a network and a service fail, from
one seed. Nothing here is imported by the product.

``FakeSlack`` runs in the test's own event loop; ``FakeSlackThread`` in a thread, for tests that
start other processes.
"""

from tests.fakeslack.faults import Fault, Faults
from tests.fakeslack.server import FakeSlack, FakeSlackThread
from tests.fakeslack.workspace import Message, Workspace

__all__ = ["FakeSlack", "FakeSlackThread", "Fault", "Faults", "Message", "Workspace"]
