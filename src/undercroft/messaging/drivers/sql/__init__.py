"""Messages in SQLite, PostgreSQL and MariaDB, both planes in one database; docs/decisions/0019 says why the layout is as it is."""

from undercroft.messaging.drivers.sql.control import ControlDriver
from undercroft.messaging.drivers.sql.data import DataDriver

__all__ = ["ControlDriver", "DataDriver"]
