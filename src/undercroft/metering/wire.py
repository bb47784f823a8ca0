"""Samples as JSON: the form that Ceilometer's publisher sends, the old and the new form of its API, and that of our own files.

| | publisher | old | new |
|---|---|---|---|
| meter | `name` | `counter_name` | `meter` |
| type, unit, volume | `type` ... | `counter_type` ... | `type` ... |
| message id | `id` | `message_id` | `id` |
| metadata | `resource_metadata` | `resource_metadata` | `metadata` |

All have `user_id`, `project_id`, `resource_id`, `source` and `timestamp`, ISO 8601, UTC where no zone is named. Integers stay
integers, of any size. Our files have the old form, with the metadata as they were sent.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from undercroft.core import decoding, time
from undercroft.core.errors import InvalidInput
from undercroft.core.names import check_keys
from undercroft.metering.flatten import shown
from undercroft.metering.models import Sample

# What is kept of each form under the names of the old one; a name that is missing in a form is its own.
_KEPT = (
    "counter_name", "counter_type", "counter_unit", "counter_volume", "user_id", "project_id", "resource_id", "timestamp",
    "resource_metadata", "source", "message_id", "message_signature",
)  # fmt: skip
_NEEDED = ("counter_name", "counter_type", "counter_unit", "counter_volume", "resource_id", "timestamp", "message_id")
# Names that go into the metadata, whose own ones come before them.
_NAMES = ("user_name", "project_name")
# The store says when a sample arrived; the sender's clock since its start means nothing elsewhere.
_IGNORED = ("recorded_at", "monotonic_time")


class _Form(NamedTuple):
    """How a form calls what is kept."""

    names: dict[str, str]
    known: frozenset[str]
    needed: frozenset[str]


def _form(**other: str) -> _Form:
    names = {name: other.get(name, name) for name in _KEPT}
    return _Form(names, frozenset((*names.values(), *_NAMES, *_IGNORED)), frozenset(names[name] for name in _NEEDED))


_SHORT = {"counter_type": "type", "counter_unit": "unit", "counter_volume": "volume", "message_id": "id"}
_PUBLISHER = _form(counter_name="name", **_SHORT)
# By the key that tells the forms apart.
_FORMS = {
    "counter_name": _form(),
    "name": _PUBLISHER,
    "meter": _form(counter_name="meter", resource_metadata="metadata", **_SHORT),
}


def decode(body: bytes) -> list[dict[str, Any]]:
    """Samples from JSON, one or a list.

    Returns:
        what `record_metering_data` takes.

    Raises:
        InvalidInput: this is not JSON, see `undercroft.core.decoding`, or one of them is not a sample.
    """
    found: Any = decoding.decode(body, Any, "samples")
    if not isinstance(found, list):
        return [data(found)]
    samples = []
    for place, each in enumerate(found):
        try:
            samples.append(data(each))
        except InvalidInput as error:
            raise error.within(f"[{place}]") from None
    return samples


def data(given: Any) -> dict[str, Any]:
    """A sample that came as JSON, in any of the forms, as `record_metering_data` takes it. Values are checked there.

    Names of user and project become part of the metadata; when it was recorded, and the sender's `monotonic_time`, are ignored.
    Ceilometer's pipeline passes on a volume that is text if `float` reads it: as a number here.

    Raises:
        InvalidInput: this is not a sample: no object, a key that is missing or unknown, a timestamp that is not ISO 8601.
    """
    if given.__class__ is not dict and not isinstance(given, Mapping):
        raise InvalidInput("sample", f"expected an object, got {type(given).__name__}")
    form = next((form for key, form in _FORMS.items() if key in given), None)
    if form is None:
        raise InvalidInput("sample", f"has no name of a meter: one of {', '.join(_FORMS)}")
    if not given.keys() <= form.known:
        check_keys(given, form.known, "sample")
    if not given.keys() >= form.needed:
        raise InvalidInput(next(key for name, key in form.names.items() if name in _NEEDED and key not in given), "is missing")
    found = {name: given.get(key) for name, key in form.names.items()}
    if form is _PUBLISHER and isinstance(found["counter_volume"], str):
        found["counter_volume"] = number(found["counter_volume"])
    found["timestamp"] = moment(found["timestamp"])
    found["resource_metadata"] = _metadata(given, form.names["resource_metadata"])
    return found


def number(text: str) -> int | float | str:
    """The number that a text is, an integer where it is one; a text that is not a number, as it is."""
    for read in (int, float):
        # Python reads 1_000, too.
        with contextlib.suppress(ValueError):
            return text if "_" in text else read(text)
    return text


def moment(value: Any) -> dt.datetime:
    """A timestamp as models have it: UTC, without a zone.

    Raises:
        InvalidInput: it is not ISO 8601 text.
    """
    if not isinstance(value, str):
        raise InvalidInput("timestamp", f"expected ISO 8601 text, got {type(value).__name__}")
    return time.parse(value, "timestamp").replace(tzinfo=None)


def _metadata(given: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = given.get(key)
    if found.__class__ is not dict and not isinstance(found, (Mapping, type(None))):
        raise InvalidInput(key, f"expected an object, got {type(found).__name__}")
    if given.get("user_name") is None and given.get("project_name") is None:
        return {} if found is None else found  # type: ignore[return-value]
    names = {name: given[name] for name in _NAMES if given.get(name) is not None}
    return {**names, **(found or {})}


def serialize(sample: Sample) -> dict[str, Any]:
    """A sample in JSON's types, nothing lost; `data` makes the same of it."""
    return {**_old(sample), "resource_metadata": sample.resource_metadata, "message_signature": sample.message_signature}


def old(sample: Sample) -> dict[str, Any]:
    """A sample in the old form of the API: metadata are flat, and text."""
    return {**_old(sample), "resource_metadata": shown(sample.resource_metadata)}


def _old(sample: Sample) -> dict[str, Any]:
    return {
        "source": sample.source,
        "counter_name": sample.counter_name,
        "counter_type": sample.counter_type,
        "counter_unit": sample.counter_unit,
        "counter_volume": sample.counter_volume,
        "user_id": sample.user_id,
        "project_id": sample.project_id,
        "resource_id": sample.resource_id,
        "timestamp": text(sample.timestamp),
        "recorded_at": text(sample.recorded_at),
        "resource_metadata": None,
        "message_id": sample.message_id,
    }


def new(sample: Sample) -> dict[str, Any]:
    """A sample in the new form of the API: metadata are flat, and text."""
    return {
        "id": sample.message_id,
        "meter": sample.counter_name,
        "type": sample.counter_type,
        "unit": sample.counter_unit,
        "volume": sample.counter_volume,
        "user_id": sample.user_id,
        "project_id": sample.project_id,
        "resource_id": sample.resource_id,
        "source": sample.source,
        "timestamp": text(sample.timestamp),
        "recorded_at": text(sample.recorded_at),
        "metadata": shown(sample.resource_metadata),
    }


def text(timestamp: dt.datetime | None) -> str | None:
    """A timestamp as the API gives it: ISO 8601 without a zone, and without a fraction where it is 0."""
    return None if timestamp is None else timestamp.isoformat()
