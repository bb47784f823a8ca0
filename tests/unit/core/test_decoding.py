"""Bodies: a key that is given twice is found wherever it is, and nothing else is taken for it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from undercroft.core import decoding
from undercroft.core.errors import InvalidInput

# What may be mistaken for the end of a key.
_TEXTS = st.lists(st.sampled_from(["a", "b", '":', '"', "\\", ":", " :", '" :', "[", "{", "é"]), max_size=4).map("".join)
_SPACE = st.sampled_from(["", "", " ", "\n", "\t \r"])
_LEAVES = st.one_of(_TEXTS.map(lambda text: (json.dumps(text), False)), st.sampled_from([("1", False), ("null", False)]))


@st.composite
def _list(draw, inner):
    items = draw(st.lists(inner, max_size=3))
    return f"[{','.join(draw(_SPACE) + text + draw(_SPACE) for text, _ in items)}]", any(doubled for _, doubled in items)


@st.composite
def _object(draw, inner):
    items = draw(st.lists(st.tuples(_TEXTS, inner), max_size=3))
    pairs = [f"{draw(_SPACE)}{json.dumps(key)}{draw(_SPACE)}:{draw(_SPACE)}{text}" for key, (text, _) in items]
    doubled = len({key for key, _ in items}) < len(items) or any(each for _, (_, each) in items)
    return f"{{{','.join(pairs)}}}", doubled


BODIES = st.recursive(_LEAVES, lambda inner: st.one_of(_list(inner), _object(inner)), max_leaves=8)


def decoded(text: str) -> Any:
    return decoding.decode(text.encode(), Any)


@given(BODIES)
def test_a_key_given_twice_is_found(body):
    text, doubled = body
    if doubled:
        with pytest.raises(InvalidInput, match="same key twice"):
            decoded(text)
    else:
        assert decoded(text) == json.loads(text)


def test_depth_is_limited_and_brackets_in_texts_have_none():
    deepest = "[" * decoding.DEPTH + "]" * decoding.DEPTH
    assert decoded(deepest) == json.loads(deepest)
    with pytest.raises(InvalidInput, match="nested"):
        decoded(f"[{deepest}]")
    assert decoded(json.dumps(["[{" * 100])) == ["[{" * 100]
    assert decoded(json.dumps([[]] * 100)) == [[]] * 100


SENT: Any = Annotated[list[Any], Meta(max_length=2)] | dict[str, Any]


@pytest.mark.parametrize("text", ["[]", "[1, {}]", "{}", '{"a": [1, 2, 3]}'])
def test_lists_and_objects_of_anything(text):
    assert decoding.decode(text.encode(), SENT) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "type_", "said"),
    [
        ("[1, 2, 3]", SENT, "body: 3 items were given; it takes 2 at most"),
        ("1", SENT, "body: Expected `object | array`, got `int`"),
        ("null", SENT, "body: Expected `object | array`, got `null`"),
        ("[]", dict[str, Any], "body: Expected `object`, got `array`"),
        ("{}", list[Any], "body: Expected `array`, got `object`"),
        ("[1]", list[str], "body[0]: Expected `str`, got `int`"),
        ('{"a": 1}', dict[str, str], "body[...]: Expected `str`, got `int`"),
        ("[]", Annotated[list[Any], Meta(min_length=1)], "body: Expected `array` of length >= 1"),
    ],
)
def test_what_is_of_another_type(text, type_, said):
    with pytest.raises(InvalidInput) as caught:
        decoding.decode(text.encode(), type_)
    assert str(caught.value) == said
