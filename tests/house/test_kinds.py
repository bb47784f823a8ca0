"""Shared rooms name no kind of data: they go through the kinds' values (`undercroft.core.kinds`)."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

import pytest

from undercroft.core import kinds

TOP = pathlib.Path(__file__).parents[2]
# The files of each shared room. Below them, the folders that have the name of a kind are that kind's own.
ROOMS = {
    "core": "src/undercroft/core/**/*.py",
    "engines": "src/undercroft/engines/**/*.py",
    "conformance": "src/undercroft/conformance/*.py",
    "api": "src/undercroft/api/*.py",
    "cli": "src/undercroft/cli/*.py",
    "tests": "tests/conftest.py",
    "chaos": "tests/chaos/*.py",
}
# Rooms that are not examined yet.
OPEN: set[str] = set()
# Names of other libraries, as they stand in the code.
FOREIGN = {"threading.Event", "multiprocessing.Event", "asyncio.Event", "sa.event", "sqlalchemy.event"}
# Files in which a kind may be named, the names that may stand there, and why.
EXAMPLES = "the examples of its help need some kind's store"
ALLOWED: dict[str, tuple[set[str], str]] = {
    "src/undercroft/api/app.py": ({"event"}, "the header Last-Event-ID of server-sent events"),
    "src/undercroft/api/call.py": ({"event", "events"}, "the header Last-Event-ID of server-sent events"),
    "src/undercroft/cli/db.py": ({"rating", "events"}, EXAMPLES),
    "src/undercroft/cli/doctor.py": ({"rating", "events"}, EXAMPLES),
    "src/undercroft/cli/serve.py": ({"rating", "events"}, EXAMPLES),
    "src/undercroft/cli/worker.py": ({"rating"}, EXAMPLES),
    "src/undercroft/cli/demo.py": ({"rating", "events", "metering", "messaging"}, "the demonstration is about these kinds"),
}


class Hit(NamedTuple):
    """A place that names a kind."""

    line: int
    text: str


NAMES = frozenset(kinds.installed())


def words(text: str) -> set[str]:
    """The words of an identifier or a text, in lower case: `EventEngine`, `event_engine` and "event-engine" have the same."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text)}


def texts(node: ast.AST) -> Iterator[str]:
    """The identifiers and the text of one node; not those of the nodes below it."""
    for value in (value for _, value in ast.iter_fields(node)):
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, str):
                yield part


def named_by(text: str, names: Collection[str]) -> set[str]:
    """Which of the names are among the words. In prose, such as a docstring, the singular of a name is an English word."""
    singular = set() if " " in text else {name.removesuffix("s") for name in names}
    return words(text) & (singular | set(names))


def named(source: str, names: Collection[str] = NAMES, allowed: Collection[str] = ()) -> list[Hit]:
    """Where a module names a kind: identifiers, keywords, modules, texts and docstrings; not comments."""
    found: list[Hit] = []

    def visit(node: ast.AST, line: int) -> None:
        line = getattr(node, "lineno", line)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in FOREIGN:
            return
        found.extend(Hit(line, text) for text in texts(node) if named_by(text, names) - set(allowed))
        for below in ast.iter_child_nodes(node):
            visit(below, line)

    visit(ast.parse(source), 0)
    return found


FILES = [(room, path) for room, pattern in ROOMS.items() for path in sorted(TOP.glob(pattern))]


@pytest.mark.parametrize(
    ("room", "path"), [pytest.param(room, path, id=str(path.relative_to(TOP))) for room, path in FILES if room not in OPEN]
)
def test_no_kind_is_named(room: str, path: pathlib.Path) -> None:
    allowed, _ = ALLOWED.get(str(path.relative_to(TOP)), (set(), ""))
    found = [f"{hit.line}: {hit.text!r}" for hit in named(path.read_text(), allowed=allowed)]
    assert found == [], f"{room} is shared by all kinds"


def test_the_rooms_and_what_is_allowed_in_them_are_there() -> None:
    assert {room for room, _ in FILES} == ROOMS.keys()
    for name, (allowed, reason) in ALLOWED.items():
        assert reason
        unused = allowed - {word for hit in named((TOP / name).read_text()) for word in words(hit.text)}
        assert unused == set(), f"{name} no longer names them"


@pytest.mark.parametrize(
    "source",
    [
        "import undercroft.events", "from undercroft import rating", "def event_engine(): pass", "call(rating=1)", "x.RATING",
        "class EventStore: pass", "def f(events): pass", "f'{x} of events'", "kind = 'rating'", '"""About events."""', "'event'",
        "x: 'Event'", "match x:\n  case {'events': _}: pass", "threading.Event().event", "import a as event", "global events",
    ],
)  # fmt: skip
def test_a_named_kind_is_found(source: str) -> None:
    assert len(named(source, {"rating", "events"})) == 1


@pytest.mark.parametrize(
    "source",
    [
        "stop: threading.Event = threading.Event()",
        "sa.event.listen(x)",
        "prevent = operating",
        "# events\n'eventful'",
        '"""About an event."""',
    ],
)
def test_other_names_are_not(source: str) -> None:
    assert named(source, {"rating", "events"}) == []
