"""`undercroft note`."""

from __future__ import annotations

import rich_click as click

from undercroft.cli import stores


@click.group()
def note() -> None:
    """Notes: short texts with names."""


@note.command()
@click.argument("name")
@click.argument("text")
@stores.option("notes")
def put(name: str, text: str, store: str | None) -> None:
    """Keep a note."""
    from notes_kind.contract import Note

    with stores.opened(store, "notes") as opened:
        opened.put(Note(name, text))
