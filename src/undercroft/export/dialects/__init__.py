"""One class per SQL dialect; nothing else of the worker depends on which dialect it is."""

from undercroft.export.dialects.base import Dialect, Row

__all__ = ["Dialect", "Row"]
