"""Limbs of numbers on SQLite: sums of so many that a sum of unsplit limbs would overflow."""

from __future__ import annotations

from decimal import Decimal

import pytest
import sqlalchemy as sa

from undercroft.rating.drivers.sql.exact import Layout, Limbs, ShortLimbs, TooWide
from undercroft.rating.numbers import CONTEXT

POINTS = 100_000
LARGEST = Decimal(10**38 - 1).scaleb(-18)
NUMBERS = [
    LARGEST,
    Decimal(10) ** 15,
    Decimal(10) ** 15 + 1,
    Decimal(10**27 - 1).scaleb(-12),
    Decimal(10) ** 6,
    Decimal(1).scaleb(-12),
    Decimal(1).scaleb(-38),
]


@pytest.mark.parametrize("number", [*NUMBERS, *(number.copy_negate() for number in NUMBERS)], ids=str)
@pytest.mark.parametrize("layout", [Limbs(), ShortLimbs()], ids=["all limbs", "short"])
def test_a_sum_of_many_is_exact_or_said_to_be_too_wide(layout: Layout, number: Decimal) -> None:
    table = sa.Table("numbers", sa.MetaData(), *layout.types("qty"))
    engine = sa.create_engine("sqlite://")
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(table.insert().values(dict(zip(layout.columns("qty"), layout.encode(number), strict=True))))
        count = "WITH RECURSIVE c(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM c WHERE n < ?)"
        connection.exec_driver_sql(f"INSERT INTO numbers {count} SELECT numbers.* FROM numbers, c", (POINTS,))
        parts = [sa.func.sum(part) for part in layout.partial(table, "qty")]
        found = connection.execute(sa.select(*parts)).one()
    try:
        (total,) = layout.decode_sums([[part] for part in found])
    except TooWide:
        assert isinstance(layout, ShortLimbs)
        assert layout.encode(number)[2:] != (None, None) or abs(number) >= Decimal(10) ** 15
    else:
        assert total == CONTEXT.multiply(number, Decimal(POINTS))
