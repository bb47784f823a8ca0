"""SQL databases through SQLAlchemy Core: SQLite and PostgreSQL."""

from undercroft.engines.sql.database import Database, EngineOptions

__all__ = ["Database", "EngineOptions"]
