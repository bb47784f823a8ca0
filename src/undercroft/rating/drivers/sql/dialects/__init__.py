"""One class per SQL dialect; nothing else in this driver depends on which dialect it is."""

from __future__ import annotations

from undercroft.rating.drivers.sql.dialects.base import Dialect
from undercroft.rating.drivers.sql.dialects.mariadb import MariaDB
from undercroft.rating.drivers.sql.dialects.postgresql import PostgreSQL
from undercroft.rating.drivers.sql.dialects.sqlite import SQLite

DIALECTS: dict[str, type[Dialect]] = {"sqlite": SQLite, "postgresql": PostgreSQL, "mariadb": MariaDB}

__all__ = ["DIALECTS", "Dialect"]
