"""Runs this kind's steps on the connection that the caller has locked."""

from alembic import context

options = context.config.attributes
context.configure(
    connection=options["connection"],
    version_table=options["version_table"],
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
