"""The first layout of samples."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql, postgresql

revision = "metering_0001"
down_revision = None
branch_labels = None
depends_on = None


MARIADB = ("mysql", "mariadb")
BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), *MARIADB)
JSON = sa.Text().with_variant(mysql.LONGTEXT(collation="utf8mb4_bin"), *MARIADB)
DIGEST = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql").with_variant(mysql.BINARY(16), *MARIADB)
WORD = (
    sa.String(255)
    .with_variant(sa.String(255, collation="C"), "postgresql")
    .with_variant(mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_nopad_bin"), *MARIADB)
)


def upgrade() -> None:
    """Create the tables of the namespace."""
    prefix = context.config.attributes["prefix"]
    dialect = op.get_bind().dialect.name
    # MariaDB commits with every change of a table: what a killed run has made is left as it is.
    again: dict[str, Any] = {"if_not_exists": True} if dialect in MARIADB else {}
    clustered = {"sqlite_with_rowid": False}
    # An id that is gone is never given again: others may remember what it was.
    lasting = {"sqlite_autoincrement": True}

    def table(name: str, *columns: sa.schema.SchemaItem, **options: Any) -> None:
        op.create_table(f"{prefix}{name}", *columns, **options, **again)

    def index(name: str, of: str, *columns: Any, unique: bool = False, **options: Any) -> None:
        op.create_index(f"{prefix}{name}", f"{prefix}{of}", list(columns), unique=unique, **options, **again)

    def key(name: str, kind: Any = sa.Integer) -> sa.Column:
        return sa.Column(name, kind, primary_key=True, autoincrement=False)

    table("setting", sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.BigInteger, nullable=False))
    table("meter", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", WORD, nullable=False), **lasting)
    index("meter_name", "meter", "name", unique=True)
    table(
        "series",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("meter_id", sa.Integer, nullable=False),
        sa.Column("type", sa.SmallInteger, nullable=False),
        sa.Column("unit", WORD, nullable=False),
        sa.Column("resource_id", WORD, nullable=False),
        sa.Column("user_id", WORD),
        sa.Column("project_id", WORD),
        sa.Column("source", WORD),
        sa.Column("seen", sa.Integer, nullable=False),
        **lasting,
    )
    index("series_seen", "series", "seen")
    index("series_digest", "series", "digest", unique=True)
    index("series_resource", "series", "resource_id", "meter_id")
    index("series_meter", "series", "meter_id", "resource_id")
    index("series_project", "series", "project_id", "resource_id")
    index("series_user", "series", "user_id", "resource_id")
    table(
        "metadata",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("seen", sa.Integer, nullable=False),
        **lasting,
    )
    index("metadata_seen", "metadata", "seen")
    index("metadata_digest", "metadata", "digest", unique=True)
    table(
        "slot",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("span", sa.SmallInteger, nullable=False),
        sa.Column("meter_id", sa.Integer, nullable=False),
        sa.Column("bundle", sa.Integer, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("folded", sa.SmallInteger, nullable=False),
        **lasting,
    )
    index("slot_of_meter", "slot", "span", "meter_id", "start", "bundle", unique=True)
    index("slot_start", "slot", "span", "start")
    index("slot_folded", "slot", "folded", "start")
    # The key first: on SQLite, the check of a file takes another order for damage.
    sample: list[sa.schema.SchemaItem] = [
        sa.Column("piece", sa.Integer, nullable=False),
        sa.Column("series_id", sa.Integer, nullable=False),
        sa.Column("id", DIGEST, nullable=False),
        sa.Column("ts", sa.BigInteger, nullable=False),
        sa.Column("whole", sa.BigInteger),
        sa.Column("fraction", sa.Double),
        sa.Column("delay", sa.BigInteger, nullable=False),
        sa.Column("meta_id", sa.Integer, nullable=False),
    ]
    if dialect == "sqlite":
        table("sample", *sample, sa.PrimaryKeyConstraint("piece", "series_id", "id"), **clustered)
        index("sample_id", "sample", "id", unique=True)
    else:
        table("sample", *sample, sa.PrimaryKeyConstraint("id"))
        index("sample_piece", "sample", "piece", "series_id")
    if dialect == "postgresql":
        options: dict[str, Any] = {"postgresql_using": "brin", "postgresql_with": {"pages_per_range": 16, "autosummarize": True}}
        index("sample_ts", "sample", "ts", postgresql_ops={"ts": "int8_minmax_multi_ops"}, **options)
    table(
        "oddity",
        sa.Column("id", DIGEST, primary_key=True),
        sa.Column("message_id", WORD),
        sa.Column("volume", sa.String(128)),
        sa.Column("signature", WORD),
        **clustered,
    )
    table("sums", key("slot_id"), key("series_id"), sa.Column("body", BYTES, nullable=False), **clustered)
    table(
        "state",
        key("series_id"),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("meta_id", sa.Integer, nullable=False),
    )
    op.create_table(
        f"{prefix}idempotency",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("answer", BYTES, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        **again,
    )
    op.create_index(f"{prefix}idempotency_expires", f"{prefix}idempotency", ["expires"], **again)
