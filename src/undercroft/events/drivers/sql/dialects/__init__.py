"""One class per SQL dialect; nothing else in this driver depends on which dialect it is."""

from undercroft.events.drivers.sql.dialects.base import Dialect, Row, row

__all__ = ["Dialect", "Row", "row"]
