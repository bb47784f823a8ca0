"""Exact numbers: what a quantity or a price may be, and how it is rounded and written. No float is ever computed with."""

from __future__ import annotations

import decimal
import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from undercroft.core.errors import InvalidInput, WrongType

DIGITS = 38
PLACES = 38
_INTEGER_DIGITS = 20
LIMIT = Decimal(10) ** _INTEGER_DIGITS
# Wide enough for the sum of any number of values that fit a machine.
CONTEXT = decimal.Context(prec=400, rounding=decimal.ROUND_HALF_EVEN, Emin=-10_000, Emax=10_000)
_STEP = Decimal(1).scaleb(-PLACES)
# Refuses to round, so that nothing is taken for shorter than it is.
_STRICT = decimal.Context(prec=400, Emin=-10_000, Emax=10_000, traps=[decimal.Inexact, decimal.InvalidOperation, decimal.Overflow])
_scaleb = _STRICT.scaleb
_TEXT_LIMIT = 200
ZERO = Decimal(0)
_UNITS = 10**18


def exact(value: Any, field: str) -> Decimal:
    """`value` as a Decimal that the contract can keep.

    A float is read by its shortest text (0.121 is 0.121). Places beyond the 38th are left in; `storable` rounds them.

    Raises:
        WrongType: not a number and not text.
        InvalidInput: text that is no number, NaN, an infinity, 10^20 or more, or more than 38 significant digits.
    """
    if type(value) is not Decimal:
        value = _convert(value, field)
    number: Decimal = value
    if not _is_short(number):
        _check(number, field)
    return number


def storable(value: Any, field: str) -> tuple[Decimal, bool]:
    """`exact`, at no more than 38 places, rounded half-even; and whether that changed it."""
    if type(value) is Decimal and _is_short(value):
        return value, False
    value = exact(value, field)
    kept = _kept(value)
    return kept, kept != value


def units(values: Sequence[Any], places: int = 12) -> list[int] | None:
    """The numbers in units of 10^-places; None unless all of them are Decimals of no more places and less than 10^18 units.

    Nearly all quantities and prices are; for those it is the whole check, in a few passes over the column.
    """
    if set(map(type, values)) != {Decimal}:
        return None
    try:
        scaled = list(map(_scaleb, values, itertools.repeat(places)))
        whole = list(map(int, scaled))
    except (ArithmeticError, ValueError):
        return None
    return whole if whole == scaled and max(whole) < _UNITS and min(whole) > -_UNITS else None


def _is_short(value: Decimal) -> bool:
    """True for a number whose plain text is so short that it needs no further check: nearly every one."""
    text = str(value)
    # At most 38 characters, no exponent, not NaN and no infinity: only the magnitude is left.
    return len(text) <= DIGITS and "E" not in text and "N" not in text and "n" not in text and -LIMIT < value < LIMIT


def _check(value: Decimal, field: str) -> None:
    text = str(value)
    if not value.is_finite():
        raise InvalidInput(field, f"{text[:32]} is not a finite number")
    if value and value.adjusted() >= _INTEGER_DIGITS:
        raise InvalidInput(field, f"{text[:48]} is too large: the magnitude must be below 10^20")
    kept = _kept(value)
    if kept and len(CONTEXT.normalize(kept).as_tuple().digits) > DIGITS:
        raise InvalidInput(field, f"{text[:48]}... has more than {DIGITS} significant digits")


def _convert(value: Any, field: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, float, str)):
        raise WrongType(field, f"expected a number, got {type(value).__name__}")
    if isinstance(value, str) and len(value) > _TEXT_LIMIT:
        raise InvalidInput(field, f"{value[:32]!r}... is longer than {_TEXT_LIMIT} characters")
    if isinstance(value, int) and value.bit_length() > 128:
        raise InvalidInput(field, "the number is too large: the magnitude must be below 10^20")
    try:
        return Decimal(str(value))
    except decimal.InvalidOperation:
        raise InvalidInput(field, f"{value!r} is not a number") from None


def _kept(value: Decimal) -> Decimal:
    """A finite number at no more than 38 places."""
    if int(value.as_tuple().exponent) >= -PLACES:
        return value
    # Far below the last place quantize would need more digits than it is worth: half of it is the most that can round up.
    return value.quantize(_STEP, context=CONTEXT) if value.adjusted() >= -PLACES - 2 else ZERO


def plain(value: Decimal) -> Decimal:
    """`value` without trailing zeros and without an exponent above zero: the same text on every engine."""
    value = CONTEXT.normalize(value)
    # Asked for the exponent, it would build a tuple of every digit.
    if "E+" in str(value):
        value = value.quantize(Decimal(1), context=CONTEXT)
    return value or ZERO
