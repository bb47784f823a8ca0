"""The first layout of messages."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "messaging_0001"
down_revision = None
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
    """Create the tables of the namespace, and the sequence of places where the engine has such."""
    prefix = context.config.attributes["prefix"]
    dialect = op.get_bind().dialect.name
    # MariaDB commits with every change of a table: what a killed run has made is left as it is.
    again: dict[str, Any] = {"if_not_exists": True} if dialect in MARIADB else {}
    clustered = {"sqlite_with_rowid": False}

    def table(name: str, *columns: sa.Column, **options: Any) -> None:
        op.create_table(f"{prefix}{name}", *columns, **options, **again)

    def index(name: str, of: str, *columns: str, unique: bool = False, where: str | None = None, named: str | None = None) -> None:
        given: dict[str, Any] = {} if where is None else {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
        if named is not None:
            # It serves those statements only that repeat the condition.
            given["postgresql_where"] = sa.text(f"{named} > -4611686018427387904")
        op.create_index(f"{prefix}{name}", f"{prefix}{of}", list(columns), unique=unique, **given, **again)

    def key(name: str, kind: Any = sa.BigInteger) -> sa.Column:
        return sa.Column(name, kind, primary_key=True, autoincrement=False)

    def number(name: str, kind: Any = sa.BigInteger, *, nullable: bool = False) -> sa.Column:
        return sa.Column(name, kind, nullable=nullable)

    table("setting", sa.Column("name", sa.String(64), primary_key=True), number("value"))
    table(
        "queue",
        key("id"),
        sa.Column("project", word(256), nullable=False),
        sa.Column("name", word(255), nullable=False),
        sa.Column("metadata", LONG_TEXT),
        number("version"),
        number("dead_most", nullable=True),
        sa.Column("dead_queue", word(255)),
        number("dead_ttl", nullable=True),
    )
    index("queue_name", "queue", "project", "name", unique=True)
    table("leftover", key("id"), number("since"))
    table(
        "message",
        key("queue"),
        key("place"),
        number("alias", nullable=True),
        number("born"),
        number("ttl"),
        number("expires"),
        number("again"),
        number("claim", nullable=True),
        number("claim_ttl", nullable=True),
        number("claims", sa.Integer),
        sa.Column("client", word(255), nullable=False),
        sa.Column("body", BYTES, nullable=False),
        **clustered,
    )
    index("message_again", "message", "queue", "again", "place", named="again")
    index("message_expires", "message", "queue", "expires", named="expires")
    index("message_claim", "message", "queue", "claim", where="claim IS NOT NULL")
    table("moved", key("queue"), key("alias"), number("place"), number("expires"), **clustered)
    index("moved_expires", "moved", "expires")
    table("tally", number("queue"), number("total"), number("held"))
    index("tally_queue", "tally", "queue")
    table("dedup", key("queue"), key("key", DIGEST), number("message"), number("expires"), **clustered)
    index("dedup_expires", "dedup", "expires")
    table(
        "subscription",
        key("id"),
        sa.Column("project", word(256), nullable=False),
        sa.Column("queue", word(255), nullable=False),
        sa.Column("subscriber", LONG_TEXT, nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        number("ttl"),
        number("born"),
        number("expires"),
        sa.Column("options", LONG_TEXT, nullable=False),
        sa.Column("confirmed", sa.SmallInteger, nullable=False),
    )
    index("subscription_digest", "subscription", "project", "queue", "digest", unique=True)
    index("subscription_expires", "subscription", "expires")
    table("slot", key("connection"), number("queue"), number("floor"))
    table(
        "idempotency",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("answer", BYTES, nullable=False),
        number("expires"),
    )
    index("idempotency_expires", "idempotency", "expires")
    if dialect != "sqlite":
        op.execute(f"CREATE SEQUENCE {'IF NOT EXISTS ' if again else ''}{prefix}place")
