"""The file of definitions: read, and checked, with the place of each fault."""

from __future__ import annotations

import fnmatch
import functools
import importlib.resources
import pathlib
import re
import reprlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from undercroft.core import names, words
from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.events.definitions import plugins
from undercroft.events.models import Trait

try:
    import yaml
    from jsonpath_ng.ext.parser import parse
except ImportError as missing:
    raise ConfigInvalid(f"notifications need {missing.name}: pip install 'undercroft[notifications]'") from missing

NAME = "definitions of events"
_TYPES = {"text": Trait.TEXT_TYPE, "int": Trait.INT_TYPE, "float": Trait.FLOAT_TYPE, "datetime": Trait.DATETIME_TYPE}
_TRAIT_KEYS = ("fields", "type", "plugin")
_ENTRY_KEYS = ("event_type", "traits")
Getter = Callable[[Any], list[plugins.Match]]

# Traits that every notification gets where it has them, unless its definition says otherwise.
_ALWAYS: dict[str, Any] = {
    "service": {"fields": "publisher_id"},
    "request_id": {"fields": "ctxt.request_id"},
    "project_id": {"fields": ["payload.tenant_id", "ctxt.project_id"]},
    "user_id": {"fields": ["payload.user_id", "ctxt.user_id"]},
    "tenant_id": {"fields": ["payload.tenant_id", "ctxt.project_id"]},
}


class TraitDefinition(NamedTuple):
    """How one trait is found."""

    name: str
    dtype: int
    find: Getter
    plugin: plugins.Plugin | None

    def value(self, notification: Mapping[str, Any]) -> Any:
        """The value in a notification, of any form; None where it has none."""
        matches = [match for match in self.find(notification) if match.value is not None]
        values = [match.value for match in matches] if self.plugin is None else self.plugin(matches)
        value = next((each for each in values if each is not None), None)
        # Empty text stands for no date, and no number, with some services.
        return None if value == "" and self.dtype != Trait.TEXT_TYPE else value


class Definition(NamedTuple):
    """What becomes of notifications of some types."""

    included: list[str]
    excluded: list[str]
    traits: list[TraitDefinition]

    def fits(self, event_type: str) -> bool:
        """True for a notification of this type."""
        return any(fnmatch.fnmatchcase(event_type, each) for each in self.included) and not any(
            fnmatch.fnmatchcase(event_type, each) for each in self.excluded
        )


def load(file: str | None) -> Any:
    """What a file of YAML holds; our own file when None.

    Raises:
        ConfigInvalid: it cannot be read, or is not plain YAML.
    """
    try:
        source = importlib.resources.files(__package__) / "default.yaml" if file is None else pathlib.Path(file)
        return yaml.safe_load(source.read_text("utf-8"))
    except OSError as error:
        raise ConfigInvalid(f"{NAME}: {file}: {error.strerror}") from None
    except Exception as error:  # noqa: BLE001 - for a value that its tag does not fit the library raises any kind
        raise ConfigInvalid(f"{NAME}: {file}: is not YAML: {str(error)[:200]}") from None


def definitions(given: Any, name: str) -> list[Definition]:
    """The definitions in their order, and behind them one that takes every notification.

    Args:
        given: what the file holds.
        name: how errors call the file.

    Raises:
        ConfigInvalid: it is not of the form; the error names the entry and the trait.
    """
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
        raise ConfigInvalid(f"{name}: expected a list of definitions, got {_shown(given)}")
    found = [_definition(each, f"{name}: entry {number}") for number, each in enumerate(given, start=1)]
    return [_definition({"event_type": "*", "traits": {}}, name), *found]


def _definition(given: Any, place: str) -> Definition:
    entry = _object(given, _ENTRY_KEYS, _ENTRY_KEYS, place)
    types = entry["event_type"]
    types = [types] if isinstance(types, str) else types
    if not isinstance(types, list) or not types or not all(isinstance(each, str) and each.strip("!") for each in types):
        raise ConfigInvalid(f"{place}: event_type: expected text, or a list of texts that is not empty, got {_shown(types)}")
    place = f"{place} ({_shown(entry['event_type'])})"
    excluded = [each[1:] for each in types if each.startswith("!")]
    included = [each for each in types if not each.startswith("!")] or ["*"]
    for each in included + excluded:
        try:
            fnmatch.fnmatchcase("", each)
        except re.error as error:
            raise ConfigInvalid(f"{place}: event_type: {_shown(each)}: {error}") from None
    if not isinstance(entry["traits"], Mapping):
        raise ConfigInvalid(f"{place}: traits: expected an object, got {_shown(entry['traits'])}")
    traits = {**_ALWAYS, **entry["traits"]}
    return Definition(included, excluded, [_trait(name, each, place) for name, each in traits.items()])


def _trait(name: Any, given: Any, place: str) -> TraitDefinition:
    place = f"{place}: trait {_shown(name)}"
    try:
        if words.name(name, "name") != name:
            raise ConfigInvalid(f"{place}: its name holds U+0000")
    except InvalidInput as error:
        raise ConfigInvalid(f"{place}: {error}") from None
    if not isinstance(given, Mapping):
        given = {"fields": given}
    trait = _object(given, _TRAIT_KEYS, ("fields",), place)
    wanted = trait.get("type", "text")
    dtype = _TYPES.get(wanted) if isinstance(wanted, str) else None
    if dtype is None:
        raise ConfigInvalid(f"{place}: type: {_shown(wanted)} is not one of {', '.join(_TYPES)}")
    return TraitDefinition(name, dtype, _getter(trait["fields"], place), plugins.load(trait.get("plugin"), place))


def _object(given: Any, known: Collection[str], needed: Collection[str], place: str) -> Mapping[str, Any]:
    """A mapping that has no keys but the known ones, and all that are needed."""
    if not isinstance(given, Mapping):
        raise ConfigInvalid(f"{place}: expected an object with {', '.join(needed)}, got {_shown(given)}")
    for key in given:
        if key not in known:
            raise ConfigInvalid(f"{place}: {names.unknown('key', str(key), known)}")
    for key in needed:
        if key not in given:
            raise ConfigInvalid(f"{place}: {key} is missing")
    return given


def _getter(given: Any, place: str) -> Getter:
    fields = given if isinstance(given, list) else [given]
    if not fields or not all(isinstance(each, str) for each in fields):
        raise ConfigInvalid(f"{place}: fields: expected a JSONPath, or a list of them that is not empty, got {_shown(given)}")
    parsed = []
    for field in fields:
        try:
            parsed.append(_path(field))
        except Exception as error:  # noqa: BLE001 - for what is not a path the library raises any kind
            raise ConfigInvalid(f"{place}: fields: {_shown(field)}: {str(error)[:120]}") from None

    def find(notification: Any) -> list[plugins.Match]:
        return [plugins.Match(str(match.full_path), match.value) for path in parsed for match in path.find(notification)]

    return find


@functools.lru_cache(maxsize=2_048)
def _path(text: str) -> Any:
    # The library makes its grammar anew for each path, which takes long.
    return parse(text)


def _shown(value: Any) -> str:
    """A value in an error: short, also where aliases make it endless."""
    return reprlib.repr(value)[:80]
