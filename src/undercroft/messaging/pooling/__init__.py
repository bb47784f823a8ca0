"""Pools: queues that are spread over several stores, which may be of different engines.

The driver is one over others. It has the control plane of a store, where queues, pools, flavors and the catalogue are; what queues
hold is in pools, each with a driver of its own. `placement` says where a queue is and how that changes, `lookup` finds it, `moving`
brings messages from pool to pool, `tags` are what ids have outside. Decision 25 says why.
"""

from undercroft.messaging.pooling.data import DataDriver

__all__ = ["DataDriver"]
