"""The driver of messages for MongoDB, and for servers that speak its protocol and change a document at once."""

from undercroft.messaging.drivers.mongodb.control import ControlDriver
from undercroft.messaging.drivers.mongodb.data import DataDriver

__all__ = ["ControlDriver", "DataDriver"]
