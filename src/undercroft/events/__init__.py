"""Events: what happened in a cloud. The contract of seed 001 (Panko's storage interface)."""

from undercroft.events.connect import get_connection, get_connection_from_config
from undercroft.events.contract import Capabilities, Connection, Store
from undercroft.events.errors import InvalidMarker, StorageBadAggregate, StorageBadVersion, StorageUnknownWriteError
from undercroft.events.models import Event, EventFilter, Trait, serialize_dt

__all__ = [
    "Capabilities",
    "Connection",
    "Event",
    "EventFilter",
    "InvalidMarker",
    "StorageBadAggregate",
    "StorageBadVersion",
    "StorageUnknownWriteError",
    "Store",
    "Trait",
    "get_connection",
    "get_connection_from_config",
    "serialize_dt",
]
