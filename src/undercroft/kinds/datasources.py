"""What datasources bring to the shared parts of the product: they are read, and store nothing."""

from __future__ import annotations

from undercroft.core.kinds import Kind

KIND = Kind(
    name="datasources",
    title="datasources",
    settings="undercroft.datasources.settings:OPTIONS",
    cli={"datasource": "undercroft.cli.datasources:datasource"},
    suite="undercroft.conformance.datasources",
    example_url="prometheus://127.0.0.1:9090",
    examples=("undercroft datasource doctor --store prometheus://127.0.0.1:9090",),
)
