"""Receipts of writes that were asked for under a key."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "events_0002"
down_revision = "events_0001"
branch_labels = None
depends_on = None

MARIADB = ("mysql", "mariadb")


def upgrade() -> None:
    """Create the table of receipts; nothing else changes, so that older processes may go on."""
    prefix = context.config.attributes["prefix"]
    # MariaDB commits with every change of a table: what a killed run has made is left as it is.
    again: dict[str, Any] = {"if_not_exists": True} if op.get_bind().dialect.name in MARIADB else {}
    op.create_table(
        f"{prefix}idempotency",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("answer", sa.LargeBinary().with_variant(mysql.LONGBLOB(), *MARIADB), nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        **again,
    )
    op.create_index(f"{prefix}idempotency_expires", f"{prefix}idempotency", ["expires"], **again)
