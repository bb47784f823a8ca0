"""The first layout of rated usage."""

import sqlalchemy as sa
from alembic import context, op

revision = "rating_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the namespace."""
    prefix = context.config.attributes["prefix"]
    sqlite = op.get_bind().dialect.name == "sqlite"

    def number(name: str) -> list[sa.Column]:
        if not sqlite:
            return [sa.Column(name, sa.Numeric(), nullable=False)]
        return [sa.Column(name + part, sa.BigInteger, nullable=bool(part)) for part in ("_e6", "", "_e30", "_e48")]

    def numbers() -> list[sa.Column]:
        return [*number("qty"), *number("price")]

    def key(name: str, type_: type = sa.Integer) -> sa.Column:
        return sa.Column(name, type_, primary_key=True, autoincrement=False)

    clustered = {"sqlite_with_rowid": False}

    op.create_table(
        f"{prefix}setting",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        f"{prefix}slot",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("begin", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("type", sa.LargeBinary(1020), nullable=False),
        sa.Column("day", sa.BigInteger, nullable=False),
    )
    op.create_index(f"{prefix}slot_order", f"{prefix}slot", ["begin", "end", "type"], unique=True)
    op.create_index(f"{prefix}slot_type", f"{prefix}slot", ["type", "begin"])
    op.create_table(
        f"{prefix}entry",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("calendar", sa.SmallInteger, nullable=False),
        sa.Column("label", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index(f"{prefix}entry_digest", f"{prefix}entry", ["digest"], unique=True)
    op.create_table(
        f"{prefix}attribute",
        key("kind", sa.SmallInteger),
        sa.Column("name", sa.LargeBinary(1020), primary_key=True),
        key("entry_id"),
        sa.Column("text_key", sa.BigInteger, nullable=False),
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.Column("json", sa.LargeBinary),
        **clustered,
    )
    op.create_index(f"{prefix}attribute_text", f"{prefix}attribute", ["kind", "name", "text_key", "entry_id"])
    op.create_table(
        f"{prefix}point",
        key("slot_id"),
        key("series_id"),
        key("number"),
        sa.Column("detail_id", sa.Integer, nullable=False),
        *numbers(),
        **clustered,
    )
    op.create_table(
        f"{prefix}rollup",
        key("bucket", sa.BigInteger),
        key("series_id"),
        sa.Column("points", sa.BigInteger, nullable=False),
        *numbers(),
        **clustered,
    )
    op.create_table(
        f"{prefix}slot_total",
        key("slot_id"),
        key("shard"),
        sa.Column("points", sa.BigInteger, nullable=False),
        *numbers(),
        **clustered,
    )
    if op.get_bind().dialect.name == "postgresql":
        # Rows that are updated often find room on their own page. (Table(postgresql_with=...) is not in SQLAlchemy 2.0.)
        for updated in ("rollup", "slot_total"):
            op.execute(f'ALTER TABLE "{prefix}{updated}" SET (fillfactor = 70)')
