"""The first layout of the leases on periodic jobs."""

import sqlalchemy as sa
from alembic import context, op

revision = "jobs_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of leases."""
    op.create_table(
        f"{context.config.attributes['prefix']}lease",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("until", sa.BigInteger, nullable=False),
        **({"if_not_exists": True} if op.get_bind().dialect.name in ("mysql", "mariadb") else {}),
    )
