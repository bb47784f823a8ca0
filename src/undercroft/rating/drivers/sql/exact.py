"""Exact decimals in SQL: how a number of up to 20 digits before and 38 behind the point is stored and summed without a float.

PostgreSQL has `numeric`, MariaDB `decimal(65, 38)`. SQLite has 64-bit integers only, so a number is four *limbs* there: integers
below 10^18 in magnitude and of one sign, that count units of 10^6, 10^-12, 10^-30 and 10^-48. The second holds nearly every real
quantity and price; the others are NULL then. A kept sum has a fifth limb above these, of units of 10^24. Sums are taken over halves
of limbs, so that no number of rows can overflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, Protocol

import sqlalchemy as sa

from undercroft.engines.sql import types
from undercroft.rating.numbers import CONTEXT, ZERO, plain

BASE = 10**18
_ONE = 10**12
_scaleb = CONTEXT.scaleb
_normalize = CONTEXT.normalize
HALF = 10**9


class Layout(Protocol):
    """How one dialect stores exact numbers.

    Attributes:
        parts: how many partial sums make up a number.
        short: a layout whose sums are quicker, and raise `TooWide` where they do not do; itself where there is none.
    """

    parts: ClassVar[int]

    def __hash__(self) -> int: ...

    @property
    def short(self) -> Layout: ...

    def columns(self, name: str) -> list[str]:
        """Names of the columns that hold the number `name`."""

    def types(self, name: str) -> list[sa.Column[Any]]:
        """The columns themselves, for one number."""

    def sum_types(self, name: str) -> list[sa.Column[Any]]:
        """The columns for a sum of many."""

    def encode(self, value: Decimal) -> tuple[Any, ...]:
        """A value for each column."""

    def decode(self, parts: Sequence[Any]) -> Decimal:
        """The number in a row's columns."""

    def partial(self, source: Any, name: str) -> list[sa.ColumnElement[Any]]:
        """Expressions per row that `sum` may add up: columns of a subquery."""

    def decode_sum(self, parts: Sequence[Any]) -> Decimal:
        """The number in the sums of `partial`'s columns."""

    def decode_sums(self, columns: Sequence[Sequence[Any]]) -> list[Decimal]:
        """The numbers in columns of such sums."""

    def ordered(self, source: Any, name: str) -> sa.ColumnElement[Any]:
        """An expression per row that `min` and `max` order like the numbers."""

    def decode_ordered(self, value: Any) -> Decimal:
        """The number in a value of `ordered`."""

    def added(self, table: str, name: str) -> dict[str, str]:
        """SQL for an upsert: each column plus the new row's."""


class Numeric:
    """A `numeric` column, on MariaDB a `decimal` of the contract's size, 27 digits before the point for sums."""

    parts: ClassVar[int] = 1

    @property
    def short(self) -> Layout:
        return self

    def columns(self, name: str) -> list[str]:
        return [name]

    def types(self, name: str) -> list[sa.Column[Any]]:
        return [sa.Column(name, types.numeric(58, 38), nullable=False)]

    def sum_types(self, name: str) -> list[sa.Column[Any]]:
        return [sa.Column(name, types.numeric(65, 38), nullable=False)]

    def encode(self, value: Decimal) -> tuple[Any, ...]:
        return (value,)

    def decode(self, parts: Sequence[Any]) -> Decimal:
        return plain(parts[0])

    def partial(self, source: Any, name: str) -> list[sa.ColumnElement[Any]]:
        return [source.c[name]]

    def decode_sum(self, parts: Sequence[Any]) -> Decimal:
        return plain(parts[0])

    def decode_sums(self, columns: Sequence[Sequence[Any]]) -> list[Decimal]:
        return list(map(plain, columns[0]))

    def ordered(self, source: Any, name: str) -> sa.ColumnElement[Any]:
        return source.c[name]  # type: ignore[no-any-return]

    def decode_ordered(self, value: Any) -> Decimal:
        return plain(value)

    def added(self, table: str, name: str) -> dict[str, str]:
        return {name: f"{table}.{name} + excluded.{name}"}


class Limbs:
    """Four integer columns, of which all but the second are NULL where they are zero."""

    EXPONENTS = (6, -12, -30, -48)
    SUFFIXES = ("_e6", "", "_e30", "_e48")
    ABOVE = "_e24"
    parts: ClassVar[int] = 9

    @property
    def short(self) -> Layout:
        return SHORT_LIMBS

    def columns(self, name: str) -> list[str]:
        return [name + suffix for suffix in self.SUFFIXES]

    def types(self, name: str) -> list[sa.Column[Any]]:
        return [sa.Column(column, sa.BigInteger, nullable=column != name) for column in self.columns(name)]

    def sum_columns(self, name: str) -> list[str]:
        """Names of the columns that hold a kept sum of the number `name`."""
        return [name + self.ABOVE, *self.columns(name)]

    def sum_types(self, name: str) -> list[sa.Column[Any]]:
        return [sa.Column(name + self.ABOVE, sa.BigInteger), *self.types(name)]

    @staticmethod
    def narrow(value: Decimal) -> int | None:
        """The second limb of a number that needs no other; None for those that do."""
        scaled = _scaleb(value, 12)
        main = int(scaled)
        return main if main == scaled and -BASE < main < BASE else None

    def encode(self, value: Decimal) -> tuple[int | None, ...]:
        main = self.narrow(value)
        if main is not None:
            return None, main, None, None
        units = int(CONTEXT.scaleb(value, 48))
        sign = -1 if units < 0 else 1
        units, least = divmod(abs(units), BASE)
        units, low = divmod(units, BASE)
        high, main = divmod(units, BASE)
        return sign * high or None, sign * main, sign * low or None, sign * least or None

    def encode_sum(self, value: Decimal) -> tuple[int | None, ...]:
        """A value for each column of a kept sum."""
        high, *rest = self.encode(value)
        if high is None or -BASE < high < BASE:
            return None, high, *rest
        sign = -1 if high < 0 else 1
        above, high = divmod(abs(high), BASE)
        return sign * above, sign * high or None, *rest

    def decode(self, parts: Sequence[Any]) -> Decimal:
        high, main, low, least = parts
        if high is None and low is None and least is None:
            return _from_main(main)
        return self._from_units([high or 0, main, low or 0, least or 0])

    def _from_units(self, limbs: Sequence[int]) -> Decimal:
        units = 0
        for limb in limbs:
            units = units * BASE + limb
        return plain(CONTEXT.scaleb(Decimal(units), -48)) if units else ZERO

    def partial(self, source: Any, name: str) -> list[sa.ColumnElement[Any]]:
        # Points have no fifth limb, and that of sums is too small for any number of rows to overflow.
        halves: list[sa.ColumnElement[Any]] = [source.c.get(name + self.ABOVE, sa.null())]
        for column in self.columns(name):
            limb = source.c[column]
            halves += [limb.op("/")(sa.literal_column(str(HALF))), limb.op("%")(sa.literal_column(str(HALF)))]
        return halves

    def decode_sum(self, parts: Sequence[Any]) -> Decimal:
        if parts[3] is not None and parts.count(None) == len(parts) - 2:
            return _from_main(parts[3] * HALF + parts[4])
        return self._from_units([parts[0] or 0, *((parts[i] or 0) * HALF + (parts[i + 1] or 0) for i in range(1, 9, 2))])

    def decode_sums(self, columns: Sequence[Sequence[Any]]) -> list[Decimal]:
        others = [column for number, column in enumerate(columns) if number not in (3, 4)]
        if any(value is not None for column in others for value in column):
            return [self.decode_sum(parts) for parts in zip(*columns, strict=True)]
        return [_from_main(high * HALF + low) for high, low in zip(columns[3], columns[4], strict=True)]

    def ordered(self, source: Any, name: str) -> sa.ColumnElement[Any]:
        # Shifted to be positive and padded, limbs compare as text like the numbers they make up.
        shifted = [sa.func.coalesce(source.c[column], 0) + sa.literal_column(str(BASE)) for column in self.columns(name)]
        return sa.func.printf("%019d%019d%019d%019d", *shifted, type_=sa.String)

    def decode_ordered(self, value: Any) -> Decimal:
        return self._from_units([int(value[i : i + 19]) - BASE for i in range(0, 76, 19)])

    def added(self, table: str, name: str) -> dict[str, str]:
        """Addition with carry from the least limb up; every limb stays below 10^18 and SQLite's integers never overflow."""
        sums = {}
        carry = "0"
        for column in reversed(self.sum_columns(name)):
            total = f"(coalesce({table}.{column}, 0) + coalesce(excluded.{column}, 0) + {carry})"
            sums[column] = f"{total} % {BASE}"
            carry = f"{total} / {BASE}"
        return {column: sql if column == name else f"nullif({sql}, 0)" for column, sql in sums.items()}


class TooWide(Exception):
    """Numbers have more digits than were asked for."""


class ShortLimbs(Limbs):
    """Sums of the limbs that nearly all numbers have: less than half of the columns, and of the time.

    `decode_sums` raises `TooWide` when a number has others; they are to be asked for then.
    """

    parts: ClassVar[int] = 4

    def partial(self, source: Any, name: str) -> list[sa.ColumnElement[Any]]:
        half: sa.ColumnElement[int] = sa.literal_column(str(HALF))
        main, high = source.c[name], source.c[name + self.SUFFIXES[0]]
        others = [source.c[name + suffix] for suffix in (self.ABOVE, *self.SUFFIXES[2:]) if name + suffix in source.c]
        # Of limbs below 10^9, no number of rows adds up to more than an integer holds. Nor does what is left of larger ones.
        wide = sa.or_(sa.func.coalesce(*others).is_not(None), sa.func.abs(high) >= half)
        return [main.op("/")(half), main.op("%")(half), high.op("%")(half), sa.type_coerce(wide, sa.Integer)]

    def decode_sums(self, columns: Sequence[Sequence[Any]]) -> list[Decimal]:
        above, below, highs, wide = columns
        if any(wide):
            raise TooWide
        mains = [first * HALF + second for first, second in zip(above, below, strict=True)]
        if not any(highs):
            return list(map(_from_main, mains))
        return [self._from_units([high or 0, main, 0, 0]) for high, main in zip(highs, mains, strict=True)]


def _from_main(limb: int) -> Decimal:
    """The number whose only limb is the second; the same as `plain` gives."""
    whole, rest = divmod(limb, _ONE)
    # With places behind the point no exponent above zero can come of it.
    return _normalize(_scaleb(Decimal(limb), -12)) if rest else Decimal(whole)


# There is one object of each: statements are kept by the layout that they were built for.
NUMERIC, LIMBS, SHORT_LIMBS = Numeric(), Limbs(), ShortLimbs()
