"""SQL databases through SQLAlchemy Core. One module per engine holds all that depends on which engine it is."""

from undercroft.engines.sql.database import Database
from undercroft.engines.sql.options import EngineOptions

__all__ = ["Database", "EngineOptions"]
