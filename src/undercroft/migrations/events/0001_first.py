"""The first layout of events."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "events_0001"
down_revision = None
branch_labels = None
depends_on = None


MARIADB = ("mysql", "mariadb")
BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), *MARIADB)
JSON = sa.Text().with_variant(mysql.LONGTEXT(collation="utf8mb4_bin"), *MARIADB)
# An INTEGER, and no other, is the number of the row itself on SQLite.
LONG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORD = (
    sa.String(255)
    .with_variant(sa.String(255, collation="C"), "postgresql")
    .with_variant(mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_nopad_bin"), *MARIADB)
)


def upgrade() -> None:
    """Create the tables of the namespace."""
    prefix = context.config.attributes["prefix"]
    # MariaDB commits with every change of a table: what a killed run has made is left as it is.
    again: dict[str, Any] = {"if_not_exists": True} if op.get_bind().dialect.name in MARIADB else {}
    clustered = {"sqlite_with_rowid": False}

    def table(name: str, *columns: sa.Column, **options: Any) -> None:
        op.create_table(f"{prefix}{name}", *columns, **options, **again)

    def index(name: str, of: str, *columns: str, unique: bool = False) -> None:
        op.create_index(f"{prefix}{name}", f"{prefix}{of}", list(columns), unique=unique, **again)

    def key(name: str, kind: Any = sa.Integer) -> sa.Column:
        return sa.Column(name, kind, primary_key=True, autoincrement=False)

    table("setting", sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.BigInteger, nullable=False))
    table("event_type", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", WORD, nullable=False))
    index("event_type_name", "event_type", "name", unique=True)
    table(
        "trait_key",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", WORD, nullable=False),
        sa.Column("dtype", sa.SmallInteger, nullable=False),
    )
    index("trait_key_name", "trait_key", "name", "dtype", unique=True)
    table("type_trait", key("type_id"), key("trait_id"), **clustered)
    table(
        "event",
        key("id", LONG_KEY),
        sa.Column("message_id", WORD, nullable=False),
        sa.Column("generated", sa.BigInteger, nullable=False),
        sa.Column("type_id", sa.Integer, nullable=False),
        sa.Column("project_id", WORD),
        sa.Column("user_id", WORD),
        sa.Column("traits", BYTES, nullable=False),
        sa.Column("raw", JSON, nullable=False),
    )
    index("event_message", "event", "message_id", unique=True)
    index("event_order", "event", "generated", "message_id")
    # MariaDB sorts everything that matches where an index does not have the whole order; the others sort equals only.
    ties = ["message_id"] if again else []
    index("event_of_type", "event", "type_id", "generated", *ties)
    index("event_of_project", "event", "project_id", "generated", *ties)
    index("event_of_user", "event", "user_id", "generated", *ties)
    for name, value in (("trait_text", WORD), ("trait_number", sa.BigInteger)):
        table(
            name,
            key("event_id", sa.BigInteger),
            key("trait_id"),
            sa.Column("part", sa.Integer, nullable=False),
            sa.Column("value", value, nullable=False),
            **clustered,
        )
        index(f"{name}_value", name, "part", "trait_id", "value")
