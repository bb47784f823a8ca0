"""Pools, flavors, and the catalogue."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "messaging_0002"
down_revision = "messaging_0001"
branch_labels = None
depends_on = None


MARIADB = ("mysql", "mariadb")
BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), *MARIADB)
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(collation="utf8mb4_bin"), *MARIADB)
DIGEST = sa.LargeBinary(16).with_variant(mysql.VARBINARY(16), *MARIADB)


def word(length: int) -> sa.types.TypeEngine[str]:
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin"), *MARIADB)
    )


def upgrade() -> None:
    """Create the three tables."""
    prefix = context.config.attributes["prefix"]
    # MariaDB commits with every change of a table: what a killed run has made is left as it is.
    again: dict[str, Any] = {"if_not_exists": True} if op.get_bind().dialect.name in MARIADB else {}

    def table(name: str, *columns: sa.Column, **options: Any) -> None:
        op.create_table(f"{prefix}{name}", *columns, **options, **again)

    def index(name: str, of: str, column: str, *, unique: bool = False) -> None:
        op.create_index(f"{prefix}{name}", f"{prefix}{of}", [column], unique=unique, **again)

    table(
        "pool",
        sa.Column("name", word(255), primary_key=True),
        sa.Column("uri", LONG_TEXT, nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("weight", sa.BigInteger, nullable=False),
        sa.Column("flavor", word(255), nullable=False),
        sa.Column("options", LONG_TEXT, nullable=False),
    )
    index("pool_digest", "pool", "digest", unique=True)
    index("pool_flavor", "pool", "flavor")
    table(
        "flavor",
        sa.Column("project", word(256), primary_key=True),
        sa.Column("name", word(255), primary_key=True),
        sa.Column("capabilities", LONG_TEXT, nullable=False),
    )
    table(
        "catalogue",
        sa.Column("project", word(256), primary_key=True),
        sa.Column("queue", word(255), primary_key=True),
        sa.Column("pool", word(255), nullable=False),
        sa.Column("state", BYTES, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    index("catalogue_pool", "catalogue", "pool")
