"""Events of notifications, by a file of definitions in the form of Ceilometer's event_definitions.yaml.

A definition names event types (globs; `!` before one excludes it) and traits, each with a type and the JSONPath of its fields; the
first field that has a value counts. The last definition that fits a notification is taken. Audit records in CADF's form get the
traits of `cadf`, too.
"""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import importlib.resources
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from undercroft.core import time
from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.events.definitions import cadf, plugins
from undercroft.events.models import Event, Trait, naive_utc

try:
    import yaml
    from jsonpath_ng.exceptions import JSONPathError
    from jsonpath_ng.ext.parser import parse
except ImportError as missing:
    raise ConfigInvalid(f"notifications need {missing.name}: pip install 'undercroft[notifications]'") from missing

_canonical = msgspec.json.Encoder(order="sorted")
_TYPES = {"text": Trait.TEXT_TYPE, "int": Trait.INT_TYPE, "float": Trait.FLOAT_TYPE, "datetime": Trait.DATETIME_TYPE}
Getter = Callable[[Any], list[plugins.Match]]

# Traits that every notification gets where it has them, unless its definition says otherwise.
_ALWAYS: dict[str, Any] = {
    "service": {"fields": "publisher_id"},
    "request_id": {"fields": "ctxt.request_id"},
    "project_id": {"fields": ["payload.tenant_id", "ctxt.project_id"]},
    "user_id": {"fields": ["payload.user_id", "ctxt.user_id"]},
    "tenant_id": {"fields": ["payload.tenant_id", "ctxt.project_id"]},
}


class _TraitDefinition(NamedTuple):
    """How one trait is found."""

    name: str
    dtype: int
    find: Getter
    plugin: plugins.Plugin | None

    def trait(self, notification: Mapping[str, Any]) -> Trait | None:
        """The trait of a notification; None where it has none, or a value of another form."""
        matches = [match for match in self.find(notification) if match.value is not None]
        values = [match.value for match in matches] if self.plugin is None else self.plugin(matches)
        value = next((each for each in values if each is not None), None)
        # Empty text stands for no date, and no number, with some services.
        if value is None or (value == "" and self.dtype != Trait.TEXT_TYPE):
            return None
        try:
            return Trait(self.name, self.dtype, Trait.convert_value(self.dtype, value))
        except (TypeError, ValueError, OverflowError):
            return None


class _Definition(NamedTuple):
    """What becomes of notifications of some types."""

    included: list[str]
    excluded: list[str]
    traits: list[_TraitDefinition]

    def fits(self, event_type: str) -> bool:
        """True for a notification of this type."""
        return any(fnmatch.fnmatchcase(event_type, each) for each in self.included) and not any(
            fnmatch.fnmatchcase(event_type, each) for each in self.excluded
        )


class Converter:
    """Makes events of notifications. Shared by threads.

    Args:
        definitions: what a file of definitions holds.
        keep_raw: keep the whole notification in the event's `raw`.

    Raises:
        ConfigInvalid: they are not of the form, or a library is missing.
    """

    def __init__(self, definitions: Any, keep_raw: bool = False) -> None:
        if not isinstance(definitions, Sequence) or isinstance(definitions, str):
            raise ConfigInvalid("definitions of events: expected a list")
        self._definitions = [_definition(each) for each in reversed(definitions)]
        self._definitions.append(_definition({"event_type": "*", "traits": {}}))
        self._keep_raw = keep_raw

    @classmethod
    def load(cls, file: str | None = None, keep_raw: bool = False) -> Converter:
        """Read a file of definitions; ours when None."""
        try:
            source = importlib.resources.files(__package__) / "default.yaml" if file is None else pathlib.Path(file)
            return cls(yaml.safe_load(source.read_text("utf-8")) or [], keep_raw)
        except OSError as error:
            raise ConfigInvalid(f"definitions of events: {file}: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigInvalid(f"definitions of events: {file}: is not YAML: {str(error)[:200]}") from None

    def event(self, given: Any) -> Event:
        """The event of a notification: as a message bus carries it, or with Ceilometer's `metadata` and `ctxt`.

        One without a message id gets a hash of its content, one without a time the time of now.

        Raises:
            InvalidInput: no notification.
        """
        if not isinstance(given, Mapping) or not isinstance(given.get("event_type"), str) or not given["event_type"]:
            raise InvalidInput("notification", "expected an object with an event_type")
        notification = _normal(given)
        event_type, metadata = given["event_type"], notification["metadata"]
        found = next(each for each in self._definitions if each.fits(event_type))
        traits = {
            trait.name: trait for trait in (definition.trait(notification) for definition in found.traits) if trait is not None
        }
        for trait in cadf.traits(notification["payload"]):
            traits.setdefault(trait.name, trait)
        message_id = metadata["message_id"] or f"hash-{hashlib.sha256(_canonical.encode(given)).hexdigest()}"
        return Event(message_id, event_type, _moment(metadata["timestamp"]), list(traits.values()), given if self._keep_raw else {})


def _normal(given: Mapping[str, Any]) -> dict[str, Any]:
    """A notification in the form that definitions speak of."""
    metadata = given.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    context = given.get("ctxt")
    if not isinstance(context, Mapping):
        context = {name.removeprefix("_context_"): value for name, value in given.items() if name.startswith("_context_")}
    message_id, timestamp = (metadata.get(name) or given.get(name) for name in ("message_id", "timestamp"))
    return {
        "publisher_id": given.get("publisher_id"),
        "event_type": given["event_type"],
        "priority": given.get("priority"),
        "payload": given.get("payload"),
        "ctxt": context,
        "metadata": {**metadata, "message_id": message_id if isinstance(message_id, str) else None, "timestamp": timestamp},
    }


def _moment(timestamp: Any) -> Any:
    if timestamp is None:
        return time.now().replace(tzinfo=None)
    try:
        return naive_utc(str(timestamp))
    except ValueError:
        raise InvalidInput("timestamp", f"{str(timestamp)[:64]!r} is no moment") from None


def _definition(given: Any) -> _Definition:
    if not isinstance(given, Mapping) or "event_type" not in given or not isinstance(given.get("traits"), Mapping):
        raise ConfigInvalid(f"definitions of events: expected event_type and traits, got {str(given)[:80]!r}")
    types = given["event_type"]
    types = [types] if isinstance(types, str) else types
    if not isinstance(types, list) or not all(isinstance(each, str) for each in types):
        raise ConfigInvalid(f"definitions of events: event_type {str(types)[:80]!r} is no text, and no list of texts")
    excluded = [each[1:] for each in types if each.startswith("!")]
    included = [each for each in types if not each.startswith("!")] or ["*"]
    traits = {**_ALWAYS, **given["traits"]}
    return _Definition(included, excluded, [_trait(name, each) for name, each in traits.items()])


def _trait(name: str, given: Any) -> _TraitDefinition:
    if not isinstance(given, Mapping):
        given = {"fields": given}
    dtype = _TYPES.get(given.get("type", "text"))
    if dtype is None or "fields" not in given:
        raise ConfigInvalid(f"definitions of events: trait {name!r} needs fields, and a type of {', '.join(_TYPES)}")
    fields = given["fields"]
    return _TraitDefinition(name, dtype, _getter(name, fields if isinstance(fields, list) else [fields]), plugins.load(name, given))


@functools.lru_cache(maxsize=2_048)
def _path(text: str) -> Any:
    # The library makes its grammar anew for each path, which takes long.
    return parse(text)


def _getter(name: str, fields: list[Any]) -> Getter:
    parsed = []
    for field in fields:
        try:
            parsed.append(_path(str(field)))
        except (JSONPathError, ValueError) as error:
            raise ConfigInvalid(f"definitions of events: trait {name!r}: {str(field)[:80]!r}: {str(error)[:120]}") from None

    def find(notification: Any) -> list[plugins.Match]:
        return [plugins.Match(str(match.full_path), match.value) for path in parsed for match in path.find(notification)]

    return find
