"""No float on the way of money: what must not be written anywhere in the rating package and its drivers (M1)."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

import undercroft.rating

pytestmark = pytest.mark.promise("M1")
HOME = pathlib.Path(undercroft.rating.__file__).parent
# What makes, adds up or asks an engine for binary fractions.
NAMES = {"float", "Float", "Double", "DOUBLE", "DOUBLE_PRECISION", "REAL", "FLOAT", "fsum", "from_float", "as_integer_ratio"}
# Floats of attributes, which are no money: `wire.py` reads the numbers of `groupby` and `metadata`, and of nothing else, as floats.
ATTRIBUTES = {"wire.py": ["float(value)"]}
SQL = re.compile(r"\b(real|double|float[48]?)\b", re.IGNORECASE)


def floats(source: str) -> Iterator[str]:
    """Each float in a module; isinstance(value, float) is none, for it refuses them or takes their text."""
    tree = ast.parse(source)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if id(node) not in prose and is_float(node):
            yield f"line {getattr(node, 'lineno', 0)}: {ast.unparse(node)}"


def is_float(node: Any) -> bool:
    """A call, a type or a literal that is a float, or text that asks an engine for one."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in NAMES
    if isinstance(node, ast.Attribute):
        return node.attr in NAMES
    value = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
    return isinstance(value, float) or (isinstance(value, str) and SQL.search(value) is not None)


@pytest.mark.parametrize("path", sorted(HOME.rglob("*.py")), ids=lambda path: str(path.relative_to(HOME)))
def test_no_float_in_money_paths(path: pathlib.Path):
    found = [text.partition(": ")[2] for text in floats(path.read_text())]
    assert found == ATTRIBUTES.get(str(path.relative_to(HOME)), [])


@pytest.mark.parametrize(
    "line",
    [
        "total = sum(float(p.price) for p in points)",
        "column = sa.Column('price', sa.Float)",
        "column = sa.cast(price, sa.types.REAL())",
        "price = Decimal.from_float(x)",
        "half = price * 0.5",
        "query = 'SELECT sum(price::float8) FROM point'",
        "query = f'SELECT CAST({price} AS double precision)'",
    ],
)
def test_twin_is_caught(line: str):
    assert list(floats(f'"""About a float, a real one."""\n{line}\n'))
