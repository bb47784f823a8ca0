"""What samples bring to the shared parts of the product."""

from __future__ import annotations

from undercroft.core.kinds import Kind

KIND = Kind(
    name="metering",
    title="samples",
    settings="undercroft.metering.settings:OPTIONS",
    migrations="undercroft.migrations.metering",
    suite="undercroft.conformance.metering",
)
