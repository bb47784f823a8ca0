"""The outbox, lanes of subscriptions, and messages of other stores."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "messaging_0003"
down_revision = "messaging_0002"
branch_labels = None
depends_on = None


MARIADB = ("mysql", "mariadb")
BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), *MARIADB)


def word(length: int) -> sa.types.TypeEngine[str]:
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin"), *MARIADB)
    )


def upgrade() -> None:
    """Create the tables and the columns.

    Older processes may go on. They enter nothing into the outbox, and whom they subscribe is not heard of.
    """
    prefix = context.config.attributes["prefix"]
    # MariaDB commits with every change of a table: what a killed run has made is left as it is.
    again: dict[str, Any] = {"if_not_exists": True} if op.get_bind().dialect.name in MARIADB else {}

    def add(of: str, name: str, kind: Any = sa.BigInteger) -> None:
        known = sa.inspect(op.get_bind()).get_columns(f"{prefix}{of}")
        if name not in {each["name"] for each in known}:
            op.add_column(f"{prefix}{of}", sa.Column(name, kind))

    def index(name: str, of: str, *columns: str, where: str | None = None) -> None:
        given: dict[str, Any] = {} if where is None else {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
        op.create_index(f"{prefix}{name}", f"{prefix}{of}", list(columns), **given, **again)

    def columns(of: str, *names: str) -> sa.TableClause:
        return sa.table(f"{prefix}{of}", *(sa.column(name) for name in names))

    def number(name: str) -> sa.Column:
        return sa.Column(name, sa.BigInteger, nullable=False)

    op.create_table(
        f"{prefix}outbox",
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("project", word(256), nullable=False),
        sa.Column("queue", word(255), nullable=False),
        number("ttl"),
        number("expires"),
        number("again"),
        sa.Column("body", BYTES, nullable=False),
        sqlite_with_rowid=False,
        **again,
    )
    add("message", "origin", word(255))
    add("queue", "subscription")
    add("queue", "heard")
    add("slot", "heard")
    index("queue_subscription", "queue", "subscription", where="subscription IS NOT NULL")
    add("subscription", "due")
    add("subscription", "lease")
    index("subscription_due", "subscription", "due", where="due IS NOT NULL")
    op.create_table(
        f"{prefix}audience",
        sa.Column("project", word(256), primary_key=True),
        sa.Column("queue", word(255), primary_key=True),
        number("until"),
        sqlite_with_rowid=False,
        **again,
    )
    index("audience_until", "audience", "until")
    # What is subscribed already is heard of from now on.
    audience = columns("audience", "project", "queue", "until")
    one, queue = columns("subscription", "project", "queue", "expires"), columns("queue", "project", "name", "heard")
    op.execute(audience.delete())
    whose = sa.select(one.c.project, one.c.queue, sa.func.max(one.c.expires)).group_by(one.c.project, one.c.queue)
    op.execute(audience.insert().from_select(["project", "queue", "until"], whose))
    until = sa.select(audience.c.until).where(audience.c.project == queue.c.project, audience.c.queue == queue.c.name)
    op.execute(queue.update().values(heard=until.scalar_subquery()))
