"""Numbers of things in messages."""

from __future__ import annotations

import pytest

from undercroft.core import plural


@pytest.mark.parametrize(
    ("count", "things", "told"),
    [
        (0, "samples", "0 samples"),
        (1, "samples", "1 sample"),
        (2, "samples", "2 samples"),
        (1_234_567, "events", "1,234,567 events"),
        (1, "batches", "1 batch"),
        (1, "bytes", "1 byte"),
    ],
)
def test_words_agree_with_their_number(count: int, things: str, told: str) -> None:
    assert plural.number(count, things) == told
