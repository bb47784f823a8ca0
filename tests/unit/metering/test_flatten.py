"""Metadata without nesting."""

from __future__ import annotations

from typing import Any

import pytest

from undercroft.metering import flatten

# As Ceilometer's API shows them: the contract's examples, and what its own code makes of the others.
SHOWN: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {}),
    ({"a": {"b": {"c": 1}}}, {"a.b:c": "1"}),
    ({"a": {"b": {"c": {"d": "e"}}}}, {"a.b:c:d": "e"}),
    ({"a.b.c": "x"}, {"a.b:c": "x"}),
    ({"a": {"b.c": "x"}}, {"a.b:c": "x"}),
    ({"a": True, "b": None, "c": 1, "d": 1.5, "e": "é"}, {"a": "True", "b": "None", "c": "1", "d": "1.5", "e": "é"}),
    ({"a": [1, "x", None], "b": []}, {"a": "[1, 'x', None]", "b": "[]"}),
    ({"a": {1, 2}, "b": {"c": {3}}, "d": 1}, {"d": "1"}),
    ({"a": [{"b": 1}]}, {"a": "[{'b': 1}]"}),
    ({"a": 2**70, "b": -0.0}, {"a": str(2**70), "b": "-0.0"}),
]


@pytest.mark.parametrize(("metadata", "wanted"), SHOWN, ids=ascii)
def test_as_the_api_shows_them(metadata: dict[str, Any], wanted: dict[str, str]) -> None:
    assert flatten.shown(metadata) == wanted


def test_as_filters_compare_them() -> None:
    given = {"a": {"b": {"c": 1}}, "d.e": True, "f": None, "g": [1], "h": {"i": "x", "j": 1.0}}
    found = flatten.compared(given)
    assert found == {"a.b.c": 1, "d.e": True, "f": None, "g": [1], "h.i": "x", "h.j": 1.0}
    assert [type(found[name]) for name in ("a.b.c", "d.e", "h.j")] == [int, bool, float]


def test_what_is_nested_without_end_has_one() -> None:
    nested: dict[str, Any] = {"x": 1}
    for _ in range(500):
        nested = {"a": nested}
    ((name, value),) = flatten.compared(nested).items()
    assert len(name) < 200
    assert isinstance(value, dict)
    assert len(flatten.shown(nested)) == 1


def test_of_keys_that_become_one_the_last_counts() -> None:
    assert flatten.shown({"a.b": 2, "a": {"b": 1}, "x:y": 3, "": {"": 4}, "t": (1, 2)}) == {
        "a.b": "2", "x.y": "3", ".": "4", "t": "[1, 2]",
    }  # fmt: skip
    assert flatten.compared({"a.b": 2, "a": {"b": 1}}) == {"a.b": 2}


def test_what_holds_nothing_is_left_out() -> None:
    assert flatten.shown(None) == flatten.shown({"a": {}, "b": {"c": {}}}) == flatten.compared({"a": {}}) == {}
