"""Events of notifications, by a file of definitions in the form of Ceilometer's event_definitions.yaml.

A definition names event types (globs; `!` before one excludes it) and traits, each with a type and the JSONPath of its fields; the
first field that has a value counts. The last definition that fits a notification is taken. Audit records in CADF's form get the
traits of `cadf`, too.
"""

from __future__ import annotations

import collections
import datetime as dt
import functools
import hashlib
import logging
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from undercroft.core import document, time, words
from undercroft.core.errors import InvalidInput
from undercroft.events import wire
from undercroft.events.definitions import cadf, parsing
from undercroft.events.models import Event, Trait, naive_utc
from undercroft.events.record import stored_value

LOG = logging.getLogger(__name__)
_canonical = msgspec.json.Encoder(order="sorted")


class Converter:
    """Makes events of notifications. Shared by threads.

    What it makes can be stored: a trait whose value cannot is left out, counted and logged.

    Args:
        definitions: what a file of definitions holds.
        keep_raw: keep the whole notification in the event's `raw`.
        name: how errors call the file.

    Attributes:
        left_out: how many traits were left out, by their names.

    Raises:
        ConfigInvalid: they are not of the form, or a library is missing.
    """

    def __init__(self, definitions: Any, keep_raw: bool = False, name: str = parsing.NAME) -> None:
        # The last one that fits is taken.
        self._definitions = parsing.definitions(definitions, name)[::-1]
        self._keep_raw = keep_raw
        self._guard = threading.Lock()
        self.left_out: collections.Counter[str] = collections.Counter()

    @classmethod
    def load(cls, file: str | None = None, keep_raw: bool = False) -> Converter:
        """Read a file of definitions; ours when None."""
        given = parsing.load(file)
        return cls([] if given is None else given, keep_raw, parsing.NAME if file is None else f"{parsing.NAME}: {file}")

    def event(self, given: Any) -> Event:
        """The event of a notification: as a message bus carries it, or with Ceilometer's `metadata` and `ctxt`.

        One without a message id gets a hash of its content, one without a time the time of now. The envelope of oslo.messaging is
        taken off.

        Raises:
            InvalidInput: this is not a notification, or its id, type or time cannot be stored.
        """
        given = wire.unwrapped(given)
        if not isinstance(given, Mapping) or not isinstance(given.get("event_type"), str) or not given["event_type"]:
            raise InvalidInput("notification", "expected an object with an event_type")
        notification = _normal(given)
        event_type, metadata = words.name(given["event_type"], "event_type"), notification["metadata"]
        found = next(each for each in self._definitions if each.fits(event_type))
        traits: dict[str, Trait] = {}
        for trait in found.traits:
            self._add(traits, event_type, trait.name, trait.dtype, functools.partial(trait.value, notification))
        for name, dtype, value in cadf.values(notification["payload"]):
            if name not in traits:
                self._add(traits, event_type, name, dtype, functools.partial(_same, value))
        message_id = words.name(metadata["message_id"] or _hashed(given), "message_id")
        raw: Any = {}
        if self._keep_raw:
            document.encoded(given, "raw")
            raw = given
        return Event(message_id, event_type, _moment(metadata["timestamp"]), list(traits.values()), raw)

    def _add(self, traits: dict[str, Trait], event_type: str, name: str, dtype: int, find: Callable[[], Any]) -> None:
        """Add a trait that is there, and whose value can be stored as its type."""
        try:
            value = find()
            if value is not None:
                traits[name] = Trait(name, dtype, _converted(name, dtype, value))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one value, the other traits are kept
            with self._guard:
                self.left_out[name] += 1
                count = self.left_out[name]
            # The first, the tenth, the hundredth ...: whoever sends notifications does not fill the log.
            level = logging.WARNING if str(count).strip("0") == "1" else logging.DEBUG
            LOG.log(level, "trait %s of a notification %.64r is left out (%d so far): %.200s", name, event_type, count, error)


def _same(value: Any) -> Any:
    return value


def _converted(name: str, dtype: int, value: Any) -> Any:
    """The value as its type wants it.

    Raises:
        ValueError, TypeError, OverflowError, RecursionError: it cannot be stored as that.
    """
    found = Trait.convert_value(dtype, value)
    if dtype == Trait.FLOAT_TYPE and not math.isfinite(found):
        raise InvalidInput(name, f"{str(value)[:64]!r} is not a finite number")
    stored_value(found, dtype, name)
    return found


def _normal(given: Mapping[str, Any]) -> dict[str, Any]:
    """A notification in the form that definitions speak of."""
    metadata = given.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    context = given.get("ctxt")
    if not isinstance(context, Mapping):
        context = {str(name).removeprefix("_context_"): value for name, value in given.items() if str(name).startswith("_context_")}
    message_id, timestamp = (metadata.get(name) or given.get(name) for name in ("message_id", "timestamp"))
    return {
        "publisher_id": given.get("publisher_id"),
        "event_type": given["event_type"],
        "priority": given.get("priority"),
        "payload": given.get("payload"),
        "ctxt": context,
        "metadata": {**metadata, "message_id": message_id if isinstance(message_id, str) else None, "timestamp": timestamp},
    }


def _hashed(given: Mapping[str, Any]) -> str:
    """An id made of the content."""
    try:
        return f"hash-{hashlib.sha256(_canonical.encode(given)).hexdigest()}"
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidInput("notification", f"is not JSON: {str(error)[:200]}") from None


def _moment(timestamp: Any) -> dt.datetime:
    if timestamp is None:
        return time.now().replace(tzinfo=None)
    if not isinstance(timestamp, (str, dt.datetime)):
        raise InvalidInput("timestamp", f"expected ISO 8601 text, got {type(timestamp).__name__}")
    try:
        return naive_utc(timestamp)
    except ValueError:
        raise InvalidInput("timestamp", f"{str(timestamp)[:64]!r} is not an ISO 8601 timestamp") from None
