"""Exact numbers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undercroft.core.errors import InvalidInput, WrongType
from undercroft.rating import numbers
from undercroft.rating.numbers import exact, plain, storable

SIGNED = st.sampled_from([0, 1])


@st.composite
def decimals(draw: st.DrawFn, digits: int = 38, places: int = 60) -> Decimal:
    """Any finite number of so many digits and places."""
    coefficient = draw(st.integers(0, 10**digits - 1))
    return Decimal((draw(SIGNED), tuple(map(int, str(coefficient))), -draw(st.integers(-25, places))))


def allowed(number: Decimal) -> bool:
    """The contract's range: below 10^20, and 38 significant digits once it has no more than 38 places."""
    fraction = Fraction(number)
    kept = fraction * 10**38
    whole = round(kept)  # half to even
    return abs(fraction) < 10**20 and len(str(abs(whole)).rstrip("0")) <= 38


@pytest.mark.promise("M1")
@given(decimals(digits=45))
def test_the_range_is_the_contracts(number: Decimal) -> None:
    if allowed(number):
        assert exact(number, "qty") is number
    else:
        with pytest.raises(InvalidInput) as caught:
            exact(number, "qty")
        assert caught.value.field == "qty"


@pytest.mark.promise("M1")
@given(decimals())
def test_rounding_is_half_even_at_the_38th_place_and_is_told(number: Decimal) -> None:
    if not allowed(number):
        return
    kept, changed = storable(number, "qty")
    wanted = Fraction(round(Fraction(number) * 10**38), 10**38)
    assert Fraction(kept) == wanted
    assert changed is (wanted != Fraction(number))


@pytest.mark.promise("M1")
@given(decimals(places=38))
def test_plain_is_equal_and_alike_for_equals(number: Decimal) -> None:
    if not allowed(number):
        return
    shown = plain(number)
    assert Fraction(shown) == Fraction(number)
    assert "E+" not in str(shown)
    sign, digits, exponent = number.as_tuple()
    assert str(plain(Decimal((sign, (*digits, 0, 0), int(exponent) - 2)))) == str(shown)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_a_float_is_read_by_its_shortest_text(number: float) -> None:
    if number and abs(number) < 1e-20:
        return
    assert exact(number, "qty") == Decimal(repr(number))


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [("1E+19", "1E+19"), (0, "0"), ("-0", "0"), (" 7 ", "7"), (10**19, "1E+19"), ("1E-7", "0.0000001"), (True, None)],
)
def test_what_is_a_number(given_: object, wanted: str | None) -> None:
    if wanted is None:
        with pytest.raises(WrongType):
            exact(given_, "qty")
    else:
        assert exact(given_, "qty") == Decimal(wanted)


@pytest.mark.parametrize(
    "wrong", ["NaN", "sNaN", "-Infinity", float("inf"), "", "a", "1" * 201, 1 << 200, "1E+20", Decimal("NaN123")]
)
def test_what_is_out_of_range(wrong: object) -> None:
    for check in (exact, storable):
        with pytest.raises(InvalidInput) as caught:
            check(wrong, "price")
        assert caught.value.field == "price"
        assert len(str(caught.value)) < 200


def test_a_huge_exponent_costs_nothing() -> None:
    assert storable(Decimal("1E-999999"), "qty") == (Decimal(0), True)
    with pytest.raises(InvalidInput):
        exact(Decimal("1E+999999"), "qty")


@given(st.lists(decimals(places=38).filter(allowed), max_size=20))
def test_the_context_adds_exactly(values: list[Decimal]) -> None:
    total = numbers.ZERO
    for value in values:
        total = numbers.CONTEXT.add(total, value)
    assert Fraction(total) == sum(map(Fraction, values))
