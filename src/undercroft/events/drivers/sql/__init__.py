"""Events in SQL databases: SQLite, PostgreSQL and MariaDB."""

from undercroft.events.drivers.sql.connection import Connection, Options

__all__ = ["Connection", "Options"]
