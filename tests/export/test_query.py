"""The two values of a filter's section."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undercroft.core.errors import InvalidInput
from undercroft.export.query import OPERATORS, TYPES, Condition, is_pattern, parse_meters, parse_query


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ()),
        (" ; ", ()),
        ("project_id=abc;resource_id=def", (Condition("project_id", "eq", "abc"), Condition("resource_id", "eq", "def"))),
        ("metadata.size >= integer::3", (Condition("metadata.size", "ge", "3", "integer"),)),
        ("metadata.a!=b", (Condition("metadata.a", "ne", "b"),)),
        ("metadata.url=http::80", (Condition("metadata.url", "eq", "http::80"),)),
        ("resource_id=a=b", (Condition("resource_id", "eq", "a=b"),)),
        ("metadata.display_name=", (Condition("metadata.display_name", "eq", ""),)),
        ('[{"field": "project_id", "value": "abc"}]', (Condition("project_id", "eq", "abc"),)),
        ('[{"field": "metadata.n", "op": ">", "value": 3}]', (Condition("metadata.n", "gt", "3", "integer"),)),
        ('[{"field": "metadata.n", "op": "lt", "value": "3", "type": "float"}]', (Condition("metadata.n", "lt", "3", "float"),)),
        ('[{"field": "metadata.b", "value": true}]', (Condition("metadata.b", "eq", "True", "boolean"),)),
    ],
)
def test_queries(text, wanted):
    assert parse_query(text) == wanted


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("project_id", "is not a condition"),
        ("=abc", "is not a condition"),
        ("project_id=>x", "is not a condition"),
        ("project_id==x", "is not a condition"),
        ("timestamp>2026-01-01", "must not ask about timestamp"),
        ("meter=cpu", "meters are named by `meters`"),
        ("[{}]", "is not a JSON list"),
        ('[{"field": "a", "value": "b", "colour": 1}]', "is not a JSON list"),
        ('[{"field": "a", "value": "b", "op": "lk"}]', "unknown op 'lk'"),
        ('[{"field": "a", "value": "b", "type": "int"}]', "did you mean 'integer'"),
        (";".join("a=b" for _ in range(51)), "51 conditions"),
        (f"a={'x' * 1001}", "longer than 1000 characters"),
    ],
)
def test_queries_that_are_refused(text, problem):
    with pytest.raises(InvalidInput, match="query") as caught:
        parse_query(text)
    assert problem in str(caught.value)


VALUE = st.text(st.characters(blacklist_characters=";", blacklist_categories=["Cs", "Cc"]), max_size=20).map(str.strip)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.builds(
            Condition,
            st.from_regex(r"metadata\.[a-z]{1,8}", fullmatch=True),
            st.sampled_from(list(OPERATORS.values())),
            VALUE.filter(lambda text: not text.startswith(("=", "<", ">")) and "::" not in text),
            st.sampled_from(["", *TYPES]),
        ),
        max_size=5,
    )
)
def test_a_query_that_is_written_is_read_back(conditions):
    signs = {name: sign for sign, name in OPERATORS.items()}
    text = ";".join(f"{each.field}{signs[each.op]}{f'{each.type}::' if each.type else ''}{each.value}" for each in conditions)
    assert parse_query(text) == tuple(conditions)
    written = [each._asdict() | {"type": each.type or None} for each in conditions]
    assert parse_query(msgspec.json.encode(written).decode()) == tuple(conditions)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cpu", ("cpu",)),
        (" cpu , disk.*\nmemory,cpu,", ("cpu", "disk.*", "memory")),
        ('["a,b", "c"]', ("a,b", "c")),
        ("*", ("*",)),
        ("[ab]c", ("[ab]c",)),
    ],
)
def test_meters(text, wanted):
    assert parse_meters(text) == wanted


@pytest.mark.parametrize(
    ("text", "problem"), [("", "is missing"), (" , ", "is missing"), ("x" * 256, "longer"), ('["a", 1]', "JSON")]
)
def test_meters_that_are_refused(text, problem):
    with pytest.raises(InvalidInput, match=problem):
        parse_meters(text)


def test_patterns():
    assert [name for name in ("*", "a?", "[ab]", "disk.read", "") if is_pattern(name)] == ["*", "a?", "[ab]"]
