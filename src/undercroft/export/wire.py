"""Samples in the two forms in which the Ceilometer API gives them: a page at once, or one by one where one of them is bad."""

from __future__ import annotations

import datetime as dt
import hashlib
import json  # noqa: TID251 - Python services write NaN, which msgspec refuses; only pages that it refuses come here
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from undercroft.core import time, words
from undercroft.core.errors import InvalidInput
from undercroft.export.errors import SourceUnavailable
from undercroft.export.sample import Refused, Sample

# More digits than any number has that a float can hold.
_DIGITS = 400


class Page(NamedTuple):
    """What one request brought.

    Attributes:
        samples: those that can be read, in the order of the answer.
        refused: those that cannot.
        times: timestamps of all whose timestamp can be read, in the order of the answer.
        of: how many samples the answer has.
    """

    samples: list[Sample]
    refused: list[Refused]
    times: list[dt.datetime]
    of: int


class _Item(msgspec.Struct):
    """A sample in either form: the old one has the names `counter_*`, `message_id`, `resource_metadata`."""

    timestamp: str
    counter_name: str | None = None
    meter: str | None = None
    counter_type: str | None = None
    type: str | None = None
    counter_unit: str | None = None
    unit: str | None = None
    counter_volume: int | float | None = None
    volume: int | float | None = None
    message_id: str | None = None
    id: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    resource_id: str | None = None
    source: str | None = None
    recorded_at: str | None = None
    resource_metadata: Any = None
    metadata: Any = None


_TEXTS = tuple(name for name, kind in _Item.__annotations__.items() if kind in ("str", "str | None"))
_items = msgspec.json.Decoder(list[_Item])
_sorted = msgspec.json.Encoder(order="sorted")


class Reader:
    """Reads pages.

    Args:
        columns: further columns of the target's table; what they need is made of each sample.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._has_user = "user_id" in columns
        self._has_recorded = "recorded_at" in columns
        self._has_metadata = "resource_metadata" in columns

    def page(self, body: bytes) -> Page:
        """The samples of an answer.

        Raises:
            SourceUnavailable: the body is not a list as a whole: half of it came, or something else.
        """
        try:
            items = _items.decode(body)
            samples = [self._sample(item) for item in items]
        except (msgspec.DecodeError, InvalidInput, UnicodeDecodeError, RecursionError):
            return self._one_by_one(listed(body))
        return Page(samples, [], [each.timestamp for each in samples], len(samples))

    def _one_by_one(self, items: list[Any]) -> Page:
        found = Page([], [], [], len(items))
        for item in items:
            try:
                read = _checked(msgspec.convert(item, _Item))
                found.times.append(_moment(read.timestamp))
                found.samples.append(self._sample(read))
            except (msgspec.ValidationError, InvalidInput) as error:
                found.refused.append(Refused(_id_of(item), str(error)))
        return found

    def _sample(self, item: _Item) -> Sample:
        name = item.counter_name if item.counter_name is not None else item.meter
        volume = item.counter_volume if item.counter_volume is not None else item.volume
        if not name:
            raise InvalidInput("counter_name", "is missing")
        metadata = item.resource_metadata if item.resource_metadata is not None else item.metadata
        message_id = item.message_id or item.id
        sample = Sample(
            name,
            item.counter_type if item.counter_type is not None else item.type,
            item.counter_unit if item.counter_unit is not None else item.unit,
            _number(volume),
            message_id or "",
            item.project_id,
            item.resource_id,
            item.source,
            _moment(item.timestamp),
            item.user_id if self._has_user or not message_id else None,
            _recorded(item.recorded_at) if self._has_recorded or not message_id else None,
            _text(metadata) if self._has_metadata or not message_id else None,
        )
        return sample if message_id else self._named(sample)

    def _named(self, sample: Sample) -> Sample:
        """The sample with an id made of all its fields."""
        whole = _sorted.encode(sample)
        return sample._replace(
            message_id=hashlib.sha256(whole).hexdigest(),
            user_id=sample.user_id if self._has_user else None,
            recorded_at=sample.recorded_at if self._has_recorded else None,
            resource_metadata=sample.resource_metadata if self._has_metadata else None,
        )


def listed(body: bytes) -> list[Any]:
    """The list in a body, with NaN and infinities where a Python service wrote them.

    Raises:
        SourceUnavailable: it is not one.
    """
    try:
        # What is not UTF-8 becomes surrogates, which cost their own sample and not the page.
        found = json.loads(body.decode("utf-8", "surrogateescape"), parse_int=_integer)
    except (ValueError, RecursionError):
        raise SourceUnavailable(f"the answer is not JSON, or only the beginning of it came ({len(body):,} bytes)") from None
    if not isinstance(found, list):
        raise SourceUnavailable("the answer is not a list")
    return found


def _checked(item: _Item) -> _Item:
    """The sample, when its texts are Unicode: JSON can hold half of a surrogate pair."""
    for name in _TEXTS:
        value = getattr(item, name)
        if value is not None:
            words.text(value, name)
    return item


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _DIGITS else math.inf


def _number(volume: float | None) -> float:
    if volume is None:
        raise InvalidInput("counter_volume", "is missing")
    try:
        found = float(volume)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise InvalidInput("counter_volume", "is not a finite number")
    return found


def _moment(text: str) -> dt.datetime:
    return time.parse(text, "timestamp").replace(tzinfo=None)


def _recorded(text: str | None) -> dt.datetime | None:
    """When the service got it; nobody depends on that, so one that cannot be read is left out."""
    try:
        return None if text is None else _moment(text)
    except InvalidInput:
        return None


def _text(metadata: Any) -> str | None:
    try:
        return None if metadata is None else _sorted.encode(metadata).decode()
    except (msgspec.EncodeError, UnicodeEncodeError, RecursionError, ValueError):
        raise InvalidInput("resource_metadata", "cannot be written as JSON") from None


def _id_of(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    found = item.get("message_id") or item.get("id")
    return found[:128].encode(errors="replace").decode() if isinstance(found, str) else ""
