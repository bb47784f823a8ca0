"""Cursors as the service hands them out."""

from __future__ import annotations

import pytest

from undercroft.api.cursors import CursorCodec
from undercroft.conformance.markers import promise
from undercroft.core.errors import InvalidInput

KEY = bytes(range(32))


@promise("S8")
def test_equal_cursors_have_one_text_which_hides_them() -> None:
    codec = CursorCodec(KEY, "tail", "project", [("event_type", None)])
    given = codec.encode("12345")
    assert given == CursorCodec(KEY, "tail", "project", [("event_type", None)]).encode("12345")
    assert codec.decode(given, "after") == "12345"
    assert given != codec.encode("12346")
    assert "12345" not in given


@promise("S8")
@pytest.mark.parametrize(
    "other", [CursorCodec(KEY, "tail", "other"), CursorCodec(KEY[::-1], "tail", "project")], ids=["query", "key"]
)
def test_a_cursor_of_another_query_or_store_is_refused(other: CursorCodec) -> None:
    with pytest.raises(InvalidInput, match="after"):
        CursorCodec(KEY, "tail", "project").decode(other.encode("12345"), "after")


@promise("S8")
def test_a_changed_cursor_is_refused() -> None:
    codec = CursorCodec(KEY, "tail")
    given = codec.encode("1")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    flipped = [
        given[:place] + alphabet[alphabet.index(char) ^ bit] + given[place + 1 :]
        for place, char in enumerate(given)
        for bit in (1, 2, 4, 8, 16, 32)
    ]
    for wrong in [*flipped, "", "A", given[:-1], given + "=", given + "\n", " " + given, "é", "\ud800", "1"]:
        with pytest.raises(InvalidInput):
            codec.decode(wrong, "after")
