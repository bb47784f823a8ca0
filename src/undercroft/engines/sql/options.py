"""Options that every SQL driver takes."""

from __future__ import annotations

from typing import Literal

import msgspec


class EngineOptions(msgspec.Struct, kw_only=True, frozen=True):
    """Options that every SQL driver takes, whatever kind it stores.

    Attributes:
        namespace: prefix of every table, so that kinds, parallel tests and a host's own tables share one database.
        pool_size: connections kept open.
        connect_timeout: seconds to wait for a connection.
        statement_timeout: seconds that one statement may take (PostgreSQL, MariaDB).
        pooler: what is between us and the server: `none`, or a pooler such as PgBouncer that gives a connection of the server to
            each client (`session`) or to each transaction (`transaction`) (PostgreSQL).
        busy_timeout: seconds to wait for another writer (SQLite).
        synchronous: `full` makes every commit durable; `normal` may lose the last ones in a power cut (SQLite), or when the server
            is killed (PostgreSQL).
    """

    namespace: str = "undercroft"
    pool_size: int = 5
    connect_timeout: float = 5.0
    statement_timeout: float = 60.0
    pooler: Literal["none", "session", "transaction"] = "none"
    busy_timeout: float = 30.0
    synchronous: Literal["full", "normal"] = "full"
