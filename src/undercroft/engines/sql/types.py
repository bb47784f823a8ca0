"""Column types that mean the same on every dialect."""

from __future__ import annotations

from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

_MARIADB = ("mysql", "mariadb")

# Bytes and text of any length: MariaDB's plain BLOB and TEXT end at 64 KiB.
Bytes = sa.LargeBinary().with_variant(mysql.LONGBLOB(), *_MARIADB)
LongText = sa.Text().with_variant(mysql.LONGTEXT(collation="utf8mb4_bin"), *_MARIADB)
# An INTEGER, and no other, is the number of the row itself on SQLite.
LONG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def key_bytes(length: int) -> sa.types.TypeEngine[bytes]:
    """Bytes up to `length`, which may stand in an index."""
    return sa.LargeBinary(length).with_variant(mysql.VARBINARY(length), *_MARIADB)


def numeric(digits: int, places: int) -> sa.types.TypeEngine[Decimal]:
    """Exact decimals: of any size where the engine can, of `digits` and `places` on MariaDB."""
    return sa.Numeric().with_variant(mysql.DECIMAL(digits, places), *_MARIADB)


def word(length: int) -> sa.types.TypeEngine[str]:
    """Text up to `length` characters that compares exactly and sorts by code point, whatever the database's collation."""
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin"), *_MARIADB)
    )
