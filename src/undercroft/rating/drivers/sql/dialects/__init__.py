"""One class per SQL dialect; nothing else in this driver depends on which dialect it is."""

from undercroft.rating.drivers.sql.dialects.base import Dialect

__all__ = ["Dialect"]
