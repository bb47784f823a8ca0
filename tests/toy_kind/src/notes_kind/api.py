"""Notes over HTTP: one route."""

from __future__ import annotations

from notes_kind.contract import Note, NoteStore
from undercroft.api.call import Answer, Call, Rule
from undercroft.api.kind import Api
from undercroft.api.routes import Route


def list_notes(call: Call[NoteStore, None]) -> Answer:
    """List the notes."""
    return Answer(200, call.store.list())


API = Api("notes", (Route("GET", "/notes/v1/notes", list_notes, Rule.ANYONE, {200: list[Note]}),), lambda store: store.list())
