"""What samples bring to the shared parts of the product."""

from __future__ import annotations

from undercroft.core.kinds import Kind

KIND = Kind(
    name="metering",
    title="samples",
    settings="undercroft.metering.settings:OPTIONS",
    tasks="undercroft.metering.tasks:TASKS",
    cli={"meter": "undercroft.cli.metering:meter"},
    api="undercroft.api.metering:API",
    migrations="undercroft.migrations.metering",
    suite="undercroft.conformance.metering",
    examples=("undercroft meter statistics --meter cpu_util --period 1h --store sqlite:///metering.db",),
)
