"""Types of settings that oslo.config does not have."""

from __future__ import annotations

from typing import Any

from oslo_config import types

from undercroft.core import span


class Span(types.ConfigType):
    """The type of a setting that is a span: its value is a number of `unit`, whole where it can be.

    Args:
        unit: the unit of the value, and of a number that is written without one.
        whole: refuse a number without a unit that is not whole.
        least: the smallest value; None for any, negative ones too.
    """

    def __init__(self, unit: str, *, whole: bool = False, least: float | None = None) -> None:
        super().__init__(type_name=f"span, or a number of {span.NAMES[unit]}")
        self.unit = unit
        self.whole = whole
        self.least = least

    def __call__(self, value: Any) -> int | float:
        """The value as a number.

        Raises:
            ValueError: it is not a span, not in bounds, or longer than a timedelta can be.
        """
        number = value if isinstance(value, (int, float)) else self._number(str(value).strip())
        if self.least is not None and number < self.least:
            raise ValueError(f"{value} is less than {self.least}")
        try:
            _ = number * span.UNITS[self.unit]  # an overflow is what is looked for
        except OverflowError:
            raise ValueError(f"{value} is longer than 999,999,999 days") from None
        return number

    def _number(self, text: str) -> int | float:
        if not span.NUMBER.fullmatch(text):
            number = span.parse(text, "value") / span.UNITS[self.unit]
        elif self.whole:
            number = int(text)
        else:
            number = float(text)
        return int(number) if number == int(number) else number

    def __repr__(self) -> str:
        return f"Span({self.unit})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span) and vars(self) == vars(other)

    __hash__ = object.__hash__

    def _formatter(self, value: Any) -> str:
        return f"{value}"
