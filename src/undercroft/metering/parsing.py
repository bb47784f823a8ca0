"""Samples from CSV as `undercroft.metering.files` writes it, with their lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from undercroft.core import decoding
from undercroft.core.cells import unguarded
from undercroft.core.errors import InvalidInput
from undercroft.core.lines import Item, Refused, Source
from undercroft.core.names import unknown
from undercroft.core.rows import Rows, check_columns
from undercroft.metering import wire
from undercroft.metering.files import COLUMNS

# Cells that hold JSON.
_JSON = ("counter_volume", "resource_metadata")
# A file may lack the others.
_NEEDED = (
    "message_id", "counter_name", "counter_type", "counter_unit", "counter_volume", "resource_id", "timestamp",
)  # fmt: skip


class CsvReader:
    """The samples of a CSV file, as `record_metering_data` takes them.

    Args:
        source: the input; its header is read at once.

    Raises:
        InvalidInput: the header lacks a column, has one twice, or one that is unknown.
    """

    def __init__(self, source: Source) -> None:
        self._rows = Rows(source)
        self._names = self._rows.header(_checked)

    def samples(self) -> Iterator[Item | Refused]:
        """The samples after the header, or after the place that the source was made to skip to."""
        for row in self._rows.left():
            try:
                yield Item(wire.data(self._values(row.read())), row.lines)
            except InvalidInput as error:
                yield Refused(row.lines, error)

    def _values(self, cells: list[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, text in zip(self._names, cells, strict=True):
            if text:
                found[name] = decoding.decode(text.encode(), Any, name) if name in _JSON else unguarded(text)
            elif name == "counter_unit":
                # The one text that may be empty, and not null.
                found[name] = text
        return found


def _checked(names: list[str]) -> list[str]:
    check_columns(names, _NEEDED)
    for name in names:
        if name not in COLUMNS:
            raise InvalidInput("header", unknown("column", name, COLUMNS))
    return names
