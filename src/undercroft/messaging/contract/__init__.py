"""The storage interface of messages (seed 002; meaning: docs/messaging.md, clauses cited as Q1 ...).

Two planes: a data driver keeps messages, claims and subscriptions, a control driver keeps queues and what says where they are. Each
gives its controllers as properties. A driver subclasses the controllers and writes the methods that begin with `_`, which get
checked, typed values; checks, defaults and the forms of answers are made here, once.
"""

from undercroft.messaging.contract.catalogue import CatalogueBase
from undercroft.messaging.contract.claim import Claim
from undercroft.messaging.contract.drivers import Capabilities, ControlDriverBase, DataDriverBase, Features
from undercroft.messaging.contract.flavors import FlavorsBase
from undercroft.messaging.contract.message import Message
from undercroft.messaging.contract.outbox import Outbox
from undercroft.messaging.contract.pools import PoolsBase
from undercroft.messaging.contract.queue import Queue
from undercroft.messaging.contract.subscription import Subscription
from undercroft.messaging.contract.topic import Topic

__all__ = [
    "Capabilities",
    "CatalogueBase",
    "Claim",
    "ControlDriverBase",
    "DataDriverBase",
    "Features",
    "FlavorsBase",
    "Message",
    "Outbox",
    "PoolsBase",
    "Queue",
    "Subscription",
    "Topic",
]
