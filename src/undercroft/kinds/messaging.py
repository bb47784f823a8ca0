"""What messages bring to the shared parts of the product."""

from __future__ import annotations

from undercroft.core.kinds import Kind

KIND = Kind(
    name="messaging",
    title="messages",
    settings="undercroft.messaging.settings:OPTIONS",
    meant="undercroft.messaging.settings:meant",
    tasks="undercroft.messaging.tasks:TASKS",
    api="undercroft.api.messaging:API",
    cli={
        "queue": "undercroft.cli.messaging:queue",
        "pool": "undercroft.cli.messaging:pool",
        "flavor": "undercroft.cli.messaging:flavor",
    },
    migrations="undercroft.migrations.messaging",
    suite="undercroft.conformance.messaging",
    examples=("undercroft queue stats jobs --store sqlite:///messaging.db",),
)
