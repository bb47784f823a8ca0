"""A push of 10,000 points takes at most ten statements, those that begin and commit included."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import WHOLE
from tests.counted.tally import tally
from tests.counted.usage import RESOURCES, frames
from undercroft.conformance.plugin import Opener
from undercroft.rating import BaseStorage, DataFrame, DataPoint

pytestmark = pytest.mark.timeout(600)
STATEMENTS = 10
PERIODS = 10_000 // RESOURCES


def usage(*, wide: bool = False, **arguments: Any) -> list[DataFrame]:
    """10,000 points; a few of them of numbers that need every digit."""
    found = list(frames(PERIODS, **arguments))
    if wide:
        _, (point, *_) = next(iter(found[0].itertypes()))
        groupby = {**point.groupby, "id": "wide"}
        found[0].add_point(DataPoint("GiB", Decimal(f"{10**37 + 1}E-18"), point.price, groupby, point.metadata), "cpu")
    return found


Call = Callable[[BaseStorage], None]
FIRST: Call = lambda store: store.push(usage())  # noqa: E731
CASES: dict[str, tuple[list[Call], Call]] = {
    "the first push": ([], FIRST),
    "the first push, of wide and narrow numbers": ([], lambda store: store.push(usage(wide=True))),
    "the same again": ([FIRST], FIRST),
    "other prices": ([FIRST], lambda store: store.push(usage(price=1))),
    "other prices, of wide and narrow numbers": ([FIRST], lambda store: store.push(usage(price=1, wide=True))),
    "other metadata": ([FIRST], lambda store: store.push(usage(metadata="2"))),
    "half of it again": ([lambda store: store.push(usage()[: PERIODS // 2])], FIRST),
    "in another order": ([FIRST], lambda store: store.push(random.Random(1).sample(usage(), PERIODS))),
}


# A fresh object learns what it meets, which another one knows: in the gate every other case is one of a fresh object.
PAIRS = [(case, bool(n)) for place, case in enumerate(CASES) for n in (range(2) if WHOLE else [place % 2])]


@pytest.mark.parametrize(
    ("case", "known"), PAIRS, ids=[f"{case}-{'the same' if known else 'a fresh'} object" for case, known in PAIRS]
)
def test_a_push_is_few_statements(opener: Opener, case: str, known: bool, record):
    before, call = CASES[case]
    store: Any = opener()
    for each in before:
        each(store)
    with tally() as counted:
        if known:
            # The connections that the object holds were not made to be counted.
            while connection := store._db._at_hand.take():
                connection.close()
            store._db.engine.dispose()
        else:
            store.close()
            store = opener(init=False)
        call(store)
        store.close()
    record(statements=len(counted.queries))
    assert 0 < len(counted.queries) <= STATEMENTS, str(counted)
