"""What events bring to the shared parts of the product."""

from __future__ import annotations

from undercroft.core.kinds import Kind

KIND = Kind(
    name="events",
    title="events",
    settings="undercroft.events.settings:OPTIONS",
    tasks="undercroft.events.tasks:TASKS",
    api="undercroft.api.events:API",
    cli={"events": "undercroft.cli.events:events"},
    migrations="undercroft.migrations.events",
    suite="undercroft.conformance.events",
    examples=("undercroft events list --newest --limit 20 --store sqlite:///events.db",),
    serve_option="--events",
)
