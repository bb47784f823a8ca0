"""Samples become rows: texts are cut to the width of their columns, and what no engine can hold is refused, sample by sample.

A batch is looked at column by column, which is quick; only where something is wrong with it, each sample is by itself.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from undercroft.core import time
from undercroft.core.errors import InvalidInput, UndercroftError
from undercroft.export.dialects import Row
from undercroft.export.dialects.base import moment
from undercroft.export.sample import Refused, Sample

_ID = operator.attrgetter("message_id")
_REQUIRED = ("message_id", "counter_name")
_MOMENTS = ("timestamp", "recorded_at")
_VOLUME = "counter_volume"
_UNBOUNDED = 2**40
# Characters of a timestamp without a zone.
_LENGTHS = {len("2026-01-31 12:00:00.000000")}


class Prepared(NamedTuple):
    """A batch that is ready to be stored.

    Attributes:
        rows: by message id, ascending: writers of the same ones wait for each other in one order.
        refused: samples that cannot be stored.
        cut: message ids of those with a text that was cut, and how many of their texts were.
    """

    rows: list[Row]
    refused: list[Refused]
    cut: dict[str, int]


class _Doubtful(Exception):
    """Something is wrong with one of the samples, or many."""


class Rows:
    """Makes rows of samples.

    Attributes:
        longest: the most characters that a row can have.

    Args:
        names: the columns, in the order of a row.
        widths: the characters of each that has not room for any number.
        strict: refuse a text that is too long, instead of cutting it.
    """

    def __init__(self, names: Sequence[str], widths: Mapping[str, int], *, strict: bool) -> None:
        self._names = tuple(names)
        self._widths = widths
        self._strict = strict
        texts = [name for name in names if name not in (_VOLUME, *_MOMENTS)]
        self.longest = sum(widths.get(name, _UNBOUNDED) for name in texts)
        self._places = [Sample._fields.index(name) for name in names]

    def of(self, samples: Sequence[Sample]) -> Prepared:
        """The rows of samples. Of several with the same message id, the first counts."""
        if not samples:
            return Prepared([], [], {})
        try:
            ordered = sorted(samples, key=_ID)
            columns = list(zip(*ordered, strict=True))
            chosen = [self._column(name, columns[place]) for name, place in zip(self._names, self._places, strict=True)]
        except (_Doubtful, TypeError, ValueError, OverflowError, AttributeError):
            return self._one_by_one(samples)
        ids = columns[Sample._fields.index("message_id")]
        rows = list(zip(*chosen, strict=True))
        if len(set(ids)) < len(ids):
            # A stable order: the first of several is the last one here.
            rows = list(dict(zip(reversed(ids), reversed(rows), strict=True)).values())[::-1]
        return Prepared(rows, [], {})

    def _column(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        """The values of a column as rows have them; raises anything where one of them is not as it should be."""
        if name == _VOLUME:
            volumes = [value if value is None else float(value) for value in values] if None in values else list(map(float, values))
            if not all(map(math.isfinite, filter(None, volumes))):
                raise _Doubtful
            return volumes
        if name in _MOMENTS:
            # Nothing is called for each that need not be: this takes most of the time.
            moments = [None if value is None else value.isoformat(" ", "microseconds") for value in values]
            lengths = {0 if text is None else len(text) for text in moments}
            # One that has a zone is longer.
            if not lengths <= (_LENGTHS if name == "timestamp" else {0, *_LENGTHS}):
                raise _Doubtful
            return moments
        # Most columns of a batch have few different texts.
        texts = set(values)
        if None in texts:
            if name in _REQUIRED:
                raise _Doubtful
            texts.discard(None)
        together = "".join(texts)
        width = self._widths.get(name)
        if "\0" in together or (width is not None and max(map(len, texts), default=0) > width):
            raise _Doubtful
        if not together.isascii():
            together.encode()
        if name == "message_id" and "" in texts:
            raise _Doubtful
        return values

    def _one_by_one(self, samples: Sequence[Sample]) -> Prepared:
        found: dict[str, Row] = {}
        refused: list[Refused] = []
        cut: dict[str, int] = {}
        for sample in samples:
            try:
                row, count = self._row(sample)
            except UndercroftError as error:
                refused.append(Refused(str(sample.message_id or ""), str(error)))
                continue
            if sample.message_id not in found:
                found[sample.message_id] = row
                if count:
                    cut[sample.message_id] = count
        return Prepared([row for _, row in sorted(found.items())], refused, cut)

    def _row(self, sample: Sample) -> tuple[Row, int]:
        """A row, and how many texts of it were cut."""
        row: list[Any] = []
        cut = 0
        for name in self._names:
            value = getattr(sample, name)
            if name == _VOLUME:
                row.append(_volume(value))
            elif name in _MOMENTS:
                row.append(_moment(name, value))
            else:
                text = _text(name, value)
                width = self._widths.get(name)
                if text is not None and width is not None and len(text) > width:
                    if self._strict or name == "message_id":
                        raise InvalidInput(name, f"{len(text)} characters are more than the {width} of its column")
                    text = text[:width]
                    cut += 1
                row.append(text)
        return tuple(row), cut


def _volume(value: Any) -> float | None:
    if value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise InvalidInput(_VOLUME, "is not a finite number")
    return found


def _moment(name: str, value: Any) -> str | None:
    if value is None:
        if name in _MOMENTS[:1]:
            raise InvalidInput(name, "is missing")
        return None
    if not isinstance(value, dt.datetime):
        raise InvalidInput(name, "is not a timestamp")
    return moment(time.as_utc(value, name).replace(tzinfo=None))


def _text(name: str, value: Any) -> str | None:
    if (value is None and name in _REQUIRED) or (value == "" and name == "message_id"):
        raise InvalidInput(name, "is missing")
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidInput(name, "is not a text")
    if "\0" in value:
        raise InvalidInput(name, "holds U+0000, which not every engine can store")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(name, "holds half of a surrogate pair, which is not a character") from None
    return value
