"""Redis and Redis Cluster: connections, where a key lives, scripts, and errors as ours. On the connection of redis-py."""

from undercroft.engines.redis.address import Node
from undercroft.engines.redis.client import Redis
from undercroft.engines.redis.dedicated import Dedicated
from undercroft.engines.redis.locks import Locks
from undercroft.engines.redis.options import EngineOptions
from undercroft.engines.redis.script import Call, Script

__all__ = ["Call", "Dedicated", "EngineOptions", "Locks", "Node", "Redis", "Script"]
