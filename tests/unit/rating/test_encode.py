"""Entries of the dictionary: one object each as a rule, and no harm where there are several."""

from __future__ import annotations

import undercroft
from undercroft.conformance.rating.data import frame, of, sums
from undercroft.rating.drivers.sql.storage import Storage


def test_equal_entries_that_are_several_objects_are_stored_once() -> None:
    """Another thread may make the encoder forget in the middle of a batch."""
    store = undercroft.connect("rating", "sqlite:///:memory:")
    assert isinstance(store, Storage)
    store.init()
    one, other = (store._encode([frame(hour, *(of("a", 1, id=n) for n in range(3)))]) for hour in (0, 1))
    assert one.columns[0].series == other.columns[0].series
    store._encoder.forget()
    other = store._encode([frame(1, *(of("a", 1, id=n) for n in range(3)))])
    both = one._replace(columns=one.columns + other.columns, days=one.days | other.days, points=6)
    store._db.write(store._pushing(both))
    assert [row["qty"] for row in sums(store, ["project_id", "type"])] == [6]
    assert [row["qty"] for row in sums(store, ["id"])] == [2, 2, 2]
    store.close()
