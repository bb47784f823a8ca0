"""The driver of messages for Redis and Redis Cluster."""

from undercroft.messaging.drivers.redis.control import ControlDriver
from undercroft.messaging.drivers.redis.data import DataDriver

__all__ = ["ControlDriver", "DataDriver"]
