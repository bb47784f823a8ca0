"""Rated usage in SQL databases: SQLite and PostgreSQL."""

from undercroft.rating.drivers.sql.storage import Options, Storage

__all__ = ["Options", "Storage"]
