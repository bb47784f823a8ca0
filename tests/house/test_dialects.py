"""What depends on the SQL dialect stands in that dialect's own module, so that a new engine edits no other."""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterator

import pytest

from undercroft.core.errors import ConfigInvalid
from undercroft.engines.sql import dialect

SOURCE = pathlib.Path(__file__).parent.parent.parent / "src" / "undercroft"
# SQLAlchemy has two names for MariaDB.
NAMES = {"sqlite", "postgresql", "mariadb", "mysql"}
PACKAGES = [
    "undercroft.engines.sql", "undercroft.export.dialects",
    *(f"undercroft.{kind}.drivers.sql.dialects" for kind in ("events", "metering", "rating")),
]  # fmt: skip
# Steps of migrations stay as they were released.
FROZEN = SOURCE / "migrations"


def branches(tree: ast.AST) -> Iterator[int]:
    """Lines that compare something with a dialect's name, or look something up by it."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare():
                parts = [node.left, *node.comparators]
            case ast.MatchValue(value=value):
                parts = [value]
            case ast.Dict(keys=keys):
                parts = [key for key in keys if key is not None]
            case _:
                continue
        flat = [each for part in parts for each in (part.elts if isinstance(part, (ast.Tuple, ast.List, ast.Set)) else [part])]
        if any(isinstance(each, ast.Constant) and each.value in NAMES for each in flat):
            yield node.lineno if isinstance(node, ast.expr) else parts[0].lineno


def files() -> list[pathlib.Path]:
    """Sources of the rooms that open SQL databases."""
    rooms = [SOURCE / "engines", *SOURCE.glob("*/drivers"), *(each for each in SOURCE.glob("*/*.py") if each.parent.name != "core")]
    found = {path for room in rooms for path in (room.rglob("*.py") if room.is_dir() else [room])}
    own = {"sqlite.py", "postgresql.py", "mariadb.py"}
    return sorted(path for path in found if path.name not in own and FROZEN not in path.parents)


def test_nothing_depends_on_the_name_of_a_dialect():
    found = {str(path.relative_to(SOURCE)): list(branches(ast.parse(path.read_text()))) for path in files()}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize("code", ["d == 'sqlite'", "'mariadb' != d", "d in ('mysql', 'x')", "{'postgresql': 1}[d]"])
def test_a_branch_is_found(code):
    assert list(branches(ast.parse(code))) == [1]


def test_a_case_is_found():
    assert list(branches(ast.parse("match d:\n    case 'sqlite': pass"))) == [2]


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("name", sorted(NAMES - {"mysql"}))
def test_every_dialect_is_found_by_its_name(package, name):
    assert dialect.load(package, name).__module__ == f"{package}.{name}"


@pytest.mark.parametrize("name", ["oracle", "database", "base", "x.y", ""])
@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_dialect_is_refused(package, name):
    with pytest.raises(ConfigInvalid, match="is not supported"):
        dialect.load(package, name)
