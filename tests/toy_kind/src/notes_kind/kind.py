"""What notes bring to the shared parts of the product."""

from undercroft.core.kinds import Kind

KIND = Kind(
    name="notes",
    title="notes",
    settings="notes_kind.settings:OPTIONS",
    tasks="notes_kind.tasks:TASKS",
    api="notes_kind.api:API",
    cli={"note": "notes_kind.cli:note"},
    migrations="notes_kind.migrations",
    suite="notes_kind.conformance",
)
