"""Numbers: exact, alike on every engine, never through a float."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pytest

from undercroft.conformance.markers import clause, needs, promise
from undercroft.conformance.rating.data import ALWAYS, everything, foreign, frame, of, point, sums, table
from undercroft.conformance.rating.oracle import add
from undercroft.conformance.rows import rows
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.rating import BaseStorage

LARGEST = Decimal("9" * 20 + "." + "9" * 18)
LEAST = LARGEST.copy_negate()
NUMBERS = [
    "0",
    "1",
    "-1",
    "0.1",
    "1E-7",
    "1E+3",
    "-2.50",
    "0.30000000000000004",
    "9007199254740993",
    "18446744073709551616",
    "0." + "0" * 37 + "1",
    "0." + "9" * 38,
    "-0." + "12345678901234567890123456789012345678",
    "99999999999999999999",
    "-99999999999999999999",
    "12345678901234567890.123456789012345678",
    "1." + "3" * 37,
    "1.5E-30",
    "-1E-38",
    "1E+19",
    "0.5" + "0" * 60,
    "-0",
]


@clause("R8")
@promise("M1")
@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_comes_back_equal(store: BaseStorage, text: str) -> None:
    number = Decimal(text)
    store.push([frame(0, of("a", number, 0, n=1), of("a", 0, number, n=2))])
    by_number = {p.groupby["n"]: p for p in everything(store)}
    assert [by_number[1].qty, by_number[1].price, by_number[2].qty, by_number[2].price] == [number, 0, 0, number]
    assert all(type(value) is Decimal for p in by_number.values() for value in (p.qty, p.price))
    (row,) = sums(store)
    assert (row["qty"], row["rate"]) == (number, number)
    assert type(row["qty"]) is type(row["rate"]) is Decimal
    assert store.counters["rounded"] == 0


@clause("R8")
@pytest.mark.parametrize(("given", "stored"), [(0.121, "0.121"), (7, "7"), ("1.50", "1.5"), (1e-7, "1E-7"), (0.1, "0.1")])
def test_ints_floats_and_text_become_exact_decimals(store: BaseStorage, given: object, stored: str) -> None:
    store.push([frame(0, point(given, given))])
    (found,) = everything(store)
    assert (found.qty, found.price) == (Decimal(stored), Decimal(stored))


@clause("R8", "R15")
@promise("M1")
@needs("group_calendar")
def test_sums_of_mixed_magnitudes_are_exact(store: BaseStorage) -> None:
    numbers = [Decimal(text) for text in NUMBERS] + [LARGEST, LEAST, LARGEST, Decimal("1E-38")]
    store.push([frame(n % 50, of("a", number, number.copy_negate(), n=n)) for n, number in enumerate(numbers)])
    (row,) = sums(store)
    assert (row["qty"], row["rate"]) == (add(numbers), add(numbers).copy_negate())
    assert table(store, "time-m", "project_id") == {("3", "a"): add(numbers)}


@clause("R8", "R15")
@promise("M1")
def test_sums_of_many_are_exact(store: BaseStorage) -> None:
    tiny, many = Decimal("1E-38"), 3000
    store.push([frame(n // 100, *(of("ab"[m % 2], LARGEST, tiny, n=m) for m in range(100))) for n in range(0, many, 100)])
    (row,) = sums(store)
    assert row["qty"] == add([LARGEST] * many)
    assert row["rate"] == tiny * many
    assert table(store, "project_id") == dict.fromkeys("ab", add([LARGEST] * (many // 2)))
    walked = store.retrieve(**ALWAYS, paginate=False)["dataframes"]
    assert add(p.qty for one in walked for _, p in one.iterpoints()) == row["qty"]


@clause("R8", "R15")
@promise("M1")
def test_what_a_float_would_lose(store: BaseStorage) -> None:
    store.push([frame(n, of("a", "0.1", "1E+17")) for n in range(10)] + [frame(20, of("a", "1E-20", "0.01"))])
    (row,) = sums(store)
    assert (row["qty"], row["rate"]) == (Decimal("1.00000000000000000001"), Decimal("1000000000000000000.01"))


@clause("R8", "R15")
@promise("M1")
@pytest.mark.parametrize("price", ["654321.123456789013", "-654321.123456789013", "999999999.000000000001"])
@rows("groupby", [[], ["type"], ["project_id"], ["project_id", "type"], ["id"], ["time"], ["project_id", "time"]])
def test_what_a_float_would_lose_of_everyday_numbers(store: BaseStorage, price: str, groupby: list[str]) -> None:
    """Few digits of a price make the digits of a bill."""
    store.push([frame(n, *(of("ab"[m % 2], "0.000000000001", price, id=m) for m in range(4))) for n in range(30)])
    rows = sums(store, groupby)
    assert len(rows) in (1, 2, 4, 30, 60)
    each = 120 // len(rows)
    assert {(row["qty"], row["rate"]) for row in rows} == {(each * Decimal("0.000000000001"), add([Decimal(price)] * each))}


@clause("R8", "R15")
def test_numbers_that_cancel_out(store: BaseStorage) -> None:
    store.push([frame(0, of("a", LARGEST, "-0.5", n=1), of("a", LEAST, "0.5", n=2))])
    (row,) = sums(store)
    assert (row["qty"], row["rate"]) == (0, 0)
    assert table(store, "project_id") == {"a": 0}
    store.delete(filters={"n": 1})
    assert table(store, "project_id") == {"a": LEAST}


@clause("R8", "R15")
def test_points_of_zero_are_points(store: BaseStorage) -> None:
    store.push([frame(0, of("a", 0, 0), of("b", 0, 0)), frame(1, of("a", 0, 0))])
    assert sums(store)[0]["qty"] == 0
    assert table(store, "project_id") == {"a": 0, "b": 0}
    assert len(table(store, "time")) == 2
    assert store.get_tenants() == ["a", "b"]


@clause("R8")
@promise("M1")
@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("5E-39", "0"),
        ("-5E-39", "0"),
        ("5.1E-39", "1E-38"),
        ("15E-39", "2E-38"),
        ("25E-39", "2E-38"),
        ("-15E-39", "-2E-38"),
        ("-25E-39", "-2E-38"),
        ("0." + "3" * 50, "0." + "3" * 38),
        ("0." + "6" * 39, "0." + "6" * 37 + "7"),
        ("0." + "9" * 39, "1"),
        ("1E-300", "0"),
    ],
)
def test_places_beyond_the_38th_are_rounded_half_even_and_counted(
    store: BaseStorage, caplog: pytest.LogCaptureFixture, given: str, stored: str
) -> None:
    with caplog.at_level(logging.WARNING, "undercroft"):
        store.push([frame(0, of("a", given, 1, n=1), of("a", 1, given, n=2), of("a", 1, 1, n=3))])
    assert store.counters["rounded"] == 2
    assert any(record.name.startswith("undercroft") and "round" in record.getMessage() for record in caplog.records)
    by_number = {p.groupby["n"]: p for p in everything(store)}
    assert by_number[1].qty == by_number[2].price == Decimal(stored)
    assert sums(store)[0]["qty"] == add([Decimal(stored), Decimal(2)])
    store.push([frame(1, of("a", given, given))])
    assert store.counters["rounded"] == 4


@clause("R8")
def test_zeros_beyond_the_38th_place_are_no_rounding(store: BaseStorage, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "undercroft"):
        store.push([frame(0, of("a", "0.25" + "0" * 80, "1." + "0" * 40))])
    assert store.counters["rounded"] == 0
    assert not [record for record in caplog.records if "round" in record.getMessage()]


@clause("R4", "R8")
@promise("M1")
@pytest.mark.parametrize("field", ["qty", "price"])
@rows(
    "wrong",
    [
        "NaN", "sNaN", "Infinity", "-inf", float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity"),
        "1E+20", "-1E+20", Decimal("100000000000000000000"), 10**20, 10**400, "1E+999999", 1e300,
        "1." + "3" * 38, "12345678901234567890." + "1" * 19, "", "twelve", "1,5", "0x10", "1 2",
    ],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(store: BaseStorage, field: str, wrong: Any) -> None:
    """Such a number cannot get into a point of ours, but for a price that is set; a host's point can hold it."""
    with pytest.raises(InvalidInput) as caught:
        point(**{field: wrong})
    assert caught.value.field == field
    held = [foreign(**{field: wrong})]
    if field == "price":
        held.append(point().set_price(wrong))
    for bad in held:
        with pytest.raises(InvalidInput) as caught:
            store.push([frame(0, of("a")), frame(0, bad)])
        assert caught.value.field.startswith("dataframes[1]")
        assert caught.value.field.endswith(field)
    assert everything(store) == []
    assert sums(store) == []


@clause("R4", "R8")
@pytest.mark.parametrize("field", ["qty", "price"])
@rows("wrong", [None, True, b"1", [1], {"a": 1}, 1j])
def test_what_is_no_number_is_refused(store: BaseStorage, field: str, wrong: Any) -> None:
    with pytest.raises(WrongType):
        point(**{field: wrong})
    with pytest.raises(WrongType) as caught:
        store.push([frame(0, of("a")), frame(0, foreign(**{field: wrong}))])
    assert caught.value.field.endswith(field)
    assert everything(store) == []


@clause("R20")
@needs("custom_fields")
def test_extremes_of_numbers_of_all_sizes(store: BaseStorage) -> None:
    numbers = [Decimal(text) for text in NUMBERS]
    store.push([frame(n, of("a", number, number.copy_negate())) for n, number in enumerate(numbers)])
    (row,) = sums(store, custom_fields="MIN(qty) AS low, MAX(qty) AS high, MIN(price) AS cheapest, MAX(price) AS dearest")
    assert (row["low"], row["high"]) == (min(numbers), max(numbers))
    assert (row["cheapest"], row["dearest"]) == (max(numbers).copy_negate(), min(numbers).copy_negate())
