"""Waiting for messages: how many calls may wait, and what wakes them.

`room` bounds how many wait, `lanes` has those that wait for one queue, `signals` is what a driver offers to be woken by, `hub` puts
them together with one thread a store. Decision 21 says why.
"""

from undercroft.messaging.waiting.hub import Hub
from undercroft.messaging.waiting.lanes import Key
from undercroft.messaging.waiting.signals import Outlook, Signals

__all__ = ["Hub", "Key", "Outlook", "Signals"]
