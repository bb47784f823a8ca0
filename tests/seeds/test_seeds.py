"""The seeds' public names, as written down by hand in seeds.toml, against our code.

An entry whose issue is open must not exist yet: one that has come is compared, or the test fails.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import pathlib
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from undercroft.export import KEYS as KEYS_OF_THE_WORKER

LIST = pathlib.Path(__file__).parent / "seeds.toml"
ENTRIES: list[dict[str, Any]] = tomllib.loads(LIST.read_text())["entry"]
MISSING = object()
EMPTY = inspect.Parameter.empty
KEYS = {
    *("seed", "name", "form", "here", "open", "signature", "bases", "attributes", "abstract", "note"),
    *("constants", "methods", "static", "classmethods", "also", "aliases"),
}


def resolve(place: str) -> Any:
    """The object of that dotted name; MISSING when there is none."""
    parts = place.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if not module.startswith(str(error.name)):
                raise
            continue
        for name in parts[length:]:
            found = getattr(found, name, MISSING)
        return found
    return MISSING


def exists(entry: dict[str, Any]) -> bool:
    if entry["form"] == "entry point":
        return bool(importlib.metadata.entry_points(group=entry["name"], name=entry["here"]))
    return resolve(entry["here"]) is not MISSING


def parameters(text: str) -> list[inspect.Parameter]:
    """The parameters of a signature as text, defaults evaluated as literals."""
    function = ast.parse(f"def f{text}: ...").body[0]
    assert isinstance(function, ast.FunctionDef)
    arguments = function.args
    assert not arguments.posonlyargs
    assert not arguments.kwonlyargs
    defaults = [inspect.Parameter.empty] * (len(arguments.args) - len(arguments.defaults)) + [
        ast.literal_eval(default) for default in arguments.defaults
    ]
    found = [
        inspect.Parameter(argument.arg, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
        for argument, default in zip(arguments.args, defaults, strict=True)
    ]
    if arguments.vararg:
        found.append(inspect.Parameter(arguments.vararg.arg, inspect.Parameter.VAR_POSITIONAL))
    if arguments.kwarg:
        found.append(inspect.Parameter(arguments.kwarg.arg, inspect.Parameter.VAR_KEYWORD))
    return found


def differences(
    expected: str, function: Any, *, bound: bool, also: Sequence[str] = (), aliases: Mapping[str, str] | None = None
) -> list[str]:
    """How a function's parameters differ from a seed's. What we add must be keyword-only and may be left out.

    A parameter without a default in the seed may be None by default here.
    """
    wanted = parameters(expected)
    by_document = {theirs: ours for ours, theirs in (aliases or {}).items()}
    also_taken = {each.name for each in wanted} & by_document.keys()
    wanted = [each.replace(name=by_document.get(each.name, each.name)) for each in wanted]
    wanted = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in also] + wanted
    actual = list(inspect.signature(function).parameters.values())[1 if bound else 0 :]
    problems: list[str] = []
    for added in [each for each in actual if each.kind is inspect.Parameter.KEYWORD_ONLY]:
        actual.remove(added)
        if added.name in {each.name for each in wanted}:
            problems.append(f"{added.name} is keyword-only, the seed has it by position")
        elif added.default is inspect.Parameter.empty:
            problems.append(f"{added.name} is ours, but has no default")
        also_taken -= {added.name}
    problems += [f"{name} is not taken by keyword" for name in sorted(also_taken)]
    if len(actual) == len(wanted):
        pairs = zip(actual, wanted, strict=True)
        wanted = [each.replace(default=None) if each.default is EMPTY and given.default is None else each for given, each in pairs]
    shown = [str(each.replace(annotation=inspect.Parameter.empty)) for each in actual]
    if [(each.name, each.kind, repr(each.default)) for each in actual] != [
        (each.name, each.kind, repr(each.default)) for each in wanted
    ]:
        problems.append(f"({', '.join(shown)}) is not {expected}")
    return problems


def compare(entry: dict[str, Any], subject: Any) -> list[str]:
    """How an object of ours differs from its entry."""
    problems = []
    if entry["form"] == "function":
        return differences(entry["signature"], subject, bound=False)
    if entry["form"] == "columns":
        return [] if list(subject) == entry["attributes"] else [f"{list(subject)} are not the seed's columns in its order"]
    if entry["form"] == "settings":
        known = {*KEYS_OF_THE_WORKER, "filter"}
        problems = [f"has no {name!r}" for name in entry["attributes"] if name not in subject]
        return problems + [f"{key!r} is not a key" for key in subject.values() if key not in known]
    if not inspect.isclass(subject):
        return [f"{entry['here']} is no class"]
    if entry["form"] == "exception" and not issubclass(subject, Exception):
        problems.append("is no exception")
    if entry.get("abstract") and not inspect.isabstract(subject):
        problems.append("is not abstract")
    if "signature" in entry:
        problems += differences(entry["signature"], subject.__init__, bound=True, also=entry.get("also", ()))
    ancestors = {each.__name__ for each in subject.__mro__[1:]}
    problems += [f"does not descend from {base}" for base in entry.get("bases", []) if base not in ancestors]
    problems += [f"has no {name}" for name in entry.get("attributes", []) if not hasattr(subject, name)]
    for name, literal in entry.get("constants", {}).items():
        value = getattr(subject, name, MISSING)
        expected = ast.literal_eval(literal)
        if value != expected or type(value) is not type(expected):
            problems.append(f"{name} is {value!r}, not {literal}")
    for form, kind in (("methods", object), ("static", staticmethod), ("classmethods", classmethod)):
        for name, signature in entry.get(form, {}).items():
            found = inspect.getattr_static(subject, name, MISSING)
            if found is MISSING:
                problems.append(f"has no {name}")
            elif not isinstance(found, kind) or (form == "methods" and isinstance(found, (staticmethod, classmethod, property))):
                problems.append(f"{name} is not of the form {form}")
            else:
                ours = differences(signature, getattr(subject, name), bound=form == "methods", aliases=entry.get("aliases"))
                problems += [f"{name}: {each}" for each in ours]
    return problems


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["name"].replace(" ", "-") for entry in ENTRIES])
def test_place_here_is_as_the_seed_says(entry):
    if "open" in entry:
        assert not exists(entry), f"{entry['here']} has come: take `open` from its entry, so that it is compared"
    elif entry["form"] == "entry point":
        assert exists(entry)
    else:
        subject = resolve(entry["here"])
        assert subject is not MISSING, f"{entry['here']} does not exist"
        assert compare(entry, subject) == []


def test_list_is_well_formed():
    for entry in ENTRIES:
        assert set(entry) <= KEYS, entry["name"]
        for name, signature in {**entry.get("methods", {}), **entry.get("static", {}), **entry.get("classmethods", {})}.items():
            assert parameters(signature) is not None, name
    names = [(entry["seed"], entry["name"]) for entry in ENTRIES]
    assert len(names) == len(set(names))
    assert {entry["seed"] for entry in ENTRIES} == {"000", "001", "002", "003", "004"}


class Right:
    LIMITS = ("a", "b")

    def __init__(self, conf): ...

    def page(self, name, limit=10, *, resource=None): ...

    def renamed(self, items=None, *, things=None):
        return items or things

    def open_end(self, name=None): ...

    @staticmethod
    def fixed(ttl): ...

    @classmethod
    def made(cls): ...


ENTRY: dict[str, Any] = {
    "name": "Right",
    "form": "class",
    "here": "here",
    "signature": "(conf)",
    "constants": {"LIMITS": "('a', 'b')"},
    "methods": {"page": "(name, limit=10)", "renamed": "(things)", "open_end": "(name)"},
    "aliases": {"items": "things"},
    "static": {"fixed": "(ttl)"},
    "classmethods": {"made": "()"},
}
WRONG: dict[str, dict[str, Any]] = {
    "parameter renamed": {"page": lambda self, title, limit=10: None},
    "parameters reordered": {"page": lambda self, limit=10, name=None: None},
    "other default": {"page": lambda self, name, limit=100: None},
    "default of another type": {"page": lambda self, name, limit=10.0: None},
    "parameter missing": {"page": lambda self, name: None},
    "parameter added by position": {"page": lambda self, name, limit=10, resource=None: None},
    "keyword added without a default": {"page": lambda self, name, limit=10, *, resource: None},
    "parameter made keyword-only": {"page": lambda self, name, *, limit=10: None},
    "method made static": {"page": staticmethod(lambda name, limit=10: None)},
    "method made a property": {"page": property(lambda self: None)},
    "static made a method": {"fixed": lambda self, ttl: None},
    "class method made static": {"made": staticmethod(lambda: None)},
    "other constant": {"LIMITS": ("a", "c")},
    "constant of another type": {"LIMITS": ["a", "b"]},
    "an alias that is not taken": {"renamed": lambda self, items: None},
    "other constructor": {"__init__": lambda self, url, conf: None},
}


def test_comparison_accepts_what_fits():
    assert compare(ENTRY, Right) == []


@pytest.mark.parametrize("members", WRONG.values(), ids=WRONG)
def test_comparison_sees_a_difference(members):
    assert compare(ENTRY, type("Wrong", (Right,), members)) != []


@pytest.mark.parametrize("name", ["page", "renamed", "open_end", "fixed", "made"])
def test_comparison_sees_what_is_missing(name):
    members = {
        key: value
        for key, value in vars(Right).items()
        if key in {"LIMITS", "__init__", "page", "renamed", "open_end", "fixed", "made"} - {name}
    }
    assert compare(ENTRY, type("Wrong", (), members)) == [f"has no {name}"]
