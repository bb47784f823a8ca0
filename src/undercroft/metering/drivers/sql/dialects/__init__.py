"""One class per SQL dialect; nothing else in this driver depends on which dialect it is."""

from undercroft.metering.drivers.sql.dialects.base import Dialect, Row

__all__ = ["Dialect", "Row"]
