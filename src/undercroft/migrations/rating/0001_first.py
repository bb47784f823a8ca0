"""The first layout of rated usage."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "rating_0001"
down_revision = None
branch_labels = None
depends_on = None


MARIADB = ("mysql", "mariadb")
# Digits of a point's number and of a sum, 38 of them behind the point.
POINT, SUM = 58, 65
RAW = sa.LargeBinary().with_variant(mysql.LONGBLOB(), *MARIADB)
NAME = sa.LargeBinary(1020).with_variant(mysql.VARBINARY(1020), *MARIADB)
TEXT = sa.Text().with_variant(mysql.LONGTEXT(collation="utf8mb4_bin"), *MARIADB)


def upgrade() -> None:
    """Create the tables of the namespace."""
    prefix = context.config.attributes["prefix"]
    dialect = op.get_bind().dialect.name
    # MariaDB commits with every change of a table: what a killed run has made is left as it is.
    again: dict[str, Any] = {"if_not_exists": True} if dialect in MARIADB else {}

    def number(name: str, digits: int) -> list[sa.Column]:
        if dialect != "sqlite":
            kind = sa.Numeric().with_variant(mysql.DECIMAL(digits, 38), *MARIADB)
            return [sa.Column(name, kind, nullable=False)]
        limbs = ("_e6", "", "_e30", "_e48") if digits == POINT else ("_e24", "_e6", "", "_e30", "_e48")
        return [sa.Column(name + limb, sa.BigInteger, nullable=bool(limb)) for limb in limbs]

    def numbers(digits: int) -> list[sa.Column]:
        return [*number("qty", digits), *number("price", digits)]

    def key(name: str, type_: type = sa.Integer) -> sa.Column:
        return sa.Column(name, type_, primary_key=True, autoincrement=False)

    clustered = {"sqlite_with_rowid": False}

    op.create_table(
        f"{prefix}setting",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", TEXT, nullable=False),
        **again,
    )
    op.create_table(
        f"{prefix}slot",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("begin", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("type", NAME, nullable=False),
        sa.Column("day", sa.BigInteger, nullable=False),
        sa.Column("pending", sa.SmallInteger, nullable=False),
        **again,
    )
    op.create_index(f"{prefix}slot_order", f"{prefix}slot", ["begin", "end", "type"], unique=True, **again)
    op.create_index(f"{prefix}slot_type", f"{prefix}slot", ["type", "begin"], **again)
    op.create_index(f"{prefix}slot_pending", f"{prefix}slot", ["pending", "begin"], **again)
    op.create_table(
        f"{prefix}entry",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("calendar", sa.SmallInteger, nullable=False),
        sa.Column("scope_id", sa.Integer),
        sa.Column("label", RAW, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        **again,
    )
    op.create_index(f"{prefix}entry_digest", f"{prefix}entry", ["digest"], unique=True, **again)
    op.create_table(
        f"{prefix}attribute",
        key("kind", sa.SmallInteger),
        sa.Column("name", NAME, primary_key=True),
        key("entry_id"),
        sa.Column("text_key", sa.BigInteger, nullable=False),
        sa.Column("text", RAW, nullable=False),
        sa.Column("json", RAW),
        **clustered,
        **again,
    )
    op.create_index(f"{prefix}attribute_text", f"{prefix}attribute", ["kind", "name", "text_key", "entry_id"], **again)
    op.create_table(
        f"{prefix}point",
        key("slot_id"),
        key("series_id"),
        key("number"),
        sa.Column("detail_id", sa.Integer, nullable=False),
        *numbers(POINT),
        **clustered,
        **again,
    )
    for rollup, of in (("rollup", "series_id"), ("scope_rollup", "scope_id")):
        op.create_table(
            f"{prefix}{rollup}",
            key("bucket", sa.BigInteger),
            key(of),
            sa.Column("points", sa.BigInteger, nullable=False),
            *numbers(SUM),
            **clustered,
            **again,
        )
    op.create_table(
        f"{prefix}slot_total",
        key("slot_id"),
        key("shard"),
        sa.Column("points", sa.BigInteger, nullable=False),
        *numbers(SUM),
        **clustered,
        **again,
    )
    if dialect == "postgresql":
        # Rows that are updated often find room on their own page. (Table(postgresql_with=...) is not in SQLAlchemy 2.0.)
        for updated in ("rollup", "scope_rollup", "slot_total"):
            op.execute(f'ALTER TABLE "{prefix}{updated}" SET (fillfactor = 70)')
