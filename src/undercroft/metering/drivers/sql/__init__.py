"""Samples in SQL databases: SQLite, PostgreSQL and MariaDB."""

from undercroft.metering.drivers.sql.connection import Connection, Options

__all__ = ["Connection", "Options"]
