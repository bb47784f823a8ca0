"""The contract of notes."""

from __future__ import annotations

import pytest

from notes_kind.contract import Note, NoteStore
from undercroft.core.errors import InvalidInput


@pytest.mark.clause("N1")
@pytest.mark.needs("replace")
def test_a_note_replaces_the_one_of_its_name(store: NoteStore) -> None:
    for text in ("first", "second"):
        store.put(Note("a", text))
    assert store.list() == [Note("a", "second")]


@pytest.mark.clause("N2")
def test_notes_are_listed_by_name(store: NoteStore) -> None:
    for name in "cab":
        store.put(Note(name, name))
    assert [note.name for note in store.list()] == ["a", "b", "c"]


def test_a_note_has_a_name(store: NoteStore) -> None:
    with pytest.raises(InvalidInput):
        store.put(Note("", "x"))
