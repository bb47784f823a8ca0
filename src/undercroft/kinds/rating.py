"""What rated usage brings to the shared parts of the product."""

from __future__ import annotations

from undercroft.core.kinds import Kind

KIND = Kind(
    name="rating",
    title="rated usage",
    settings="undercroft.rating.settings:OPTIONS",
    tasks="undercroft.rating.tasks:TASKS",
    api="undercroft.api.rating:API",
    cli={"rating": "undercroft.cli.rating:rating"},
    migrations="undercroft.migrations.rating",
    suite="undercroft.conformance.rating",
    examples=(
        "undercroft rating push usage.jsonl --store sqlite:///rating.db",
        "undercroft rating total --by project_id,type --begin 2026-01-01",
    ),
    takes_bare_url=True,
)
