"""What differs between SQL dialects when messages are stored and read."""

from undercroft.messaging.drivers.sql.dialects.base import Dialect, Lane

__all__ = ["Dialect", "Lane"]
