"""DataPoint and DataFrame: parsed and checked, immutable, to and from dicts and JSON."""

from __future__ import annotations

import copy
import datetime as dt
import json
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from undercroft.core.errors import InvalidInput, WrongType
from undercroft.rating import DataFrame, DataPoint
from undercroft.rating.models import FrozenDict, canonical, checked

START, END = dt.datetime(2024, 3, 1, tzinfo=dt.UTC), dt.datetime(2024, 3, 1, 1, tzinfo=dt.UTC)
POINT = DataPoint("GiB", "1.50", 0.121, {"id": "x", "both": "g"}, {"name": "web", "both": "m"})
AS_DICT = {
    "vol": {"unit": "GiB", "qty": Decimal("1.50")},
    "rating": {"price": Decimal("0.121")},
    "groupby": {"id": "x", "both": "g"},
    "metadata": {"name": "web", "both": "m"},
}


def test_a_point_is_a_tuple_of_its_fields() -> None:
    assert POINT._fields == ("unit", "qty", "price", "groupby", "metadata", "description")
    assert POINT[:3] == ("GiB", Decimal("1.50"), Decimal("0.121"))
    assert POINT.description is None
    assert DataPoint("u", 1, 1, {}, {}, "words").description == "words"


@pytest.mark.parametrize("unit", [None, ""])
def test_no_unit_is_undefined(unit: str | None) -> None:
    assert DataPoint(unit, 1, 1, {}, {}).unit == "undefined"


def test_a_point_does_not_change() -> None:
    with pytest.raises(AttributeError):
        POINT.qty = Decimal(2)  # type: ignore[misc]
    changes: list[Callable[[Any], Any]] = [
        lambda a: a.update(x=1),
        lambda a: a.pop("both"),
        lambda a: a.clear(),
        lambda a: a.setdefault("new", 1),
        lambda a: a.popitem(),
        lambda a: a.__setitem__("x", 1),
        lambda a: a.__delitem__("both"),
        lambda a: a.__ior__({"x": 1}),
    ]
    for attributes in (POINT.groupby, POINT.metadata, POINT.desc):
        for change in changes:
            with pytest.raises(TypeError):
                change(attributes)
    assert POINT.groupby == {"id": "x", "both": "g"}


def test_a_point_keeps_no_hold_of_what_it_was_made_of() -> None:
    given = {"id": "x"}
    point = DataPoint("u", 1, 1, given, {})
    given["id"] = "y"
    assert point.groupby == {"id": "x"}


def test_points_can_be_hashed_copied_and_pickled() -> None:
    assert hash(POINT) == hash(DataPoint("GiB", "1.50", 0.121, {"both": "g", "id": "x"}, {"name": "web", "both": "m"}))
    assert copy.deepcopy(POINT) == POINT
    assert pickle.loads(pickle.dumps(POINT)) == POINT
    assert type(pickle.loads(pickle.dumps(POINT)).groupby) is FrozenDict
    assert type(POINT.groupby.copy()) is dict


def test_set_price_gives_another_point() -> None:
    other = POINT.set_price(7)
    assert other.price == 7
    assert POINT.price == Decimal("0.121")
    assert other[:2] == POINT[:2]


def test_groupby_lies_over_metadata_in_desc() -> None:
    assert POINT.desc == {"name": "web", "both": "g", "id": "x"}


def test_as_dict() -> None:
    assert POINT.as_dict() == AS_DICT
    with pytest.raises(TypeError):
        POINT.as_dict()["vol"]["qty"] = 1
    mutable = POINT.as_dict(mutable=True)
    mutable["vol"]["qty"] = 2
    mutable["groupby"]["new"] = 1
    assert POINT.as_dict() == AS_DICT
    legacy = POINT.as_dict(legacy=True)
    assert set(legacy) == {"vol", "rating", "desc"}
    assert legacy["desc"] == POINT.desc


def test_json_has_every_digit() -> None:
    point = DataPoint("é", "12345678901234567890.123456789012345678", "1E-38", {"x": [1, 1.0, True, None, "1"]}, {})
    text = point.json()
    assert "12345678901234567890.123456789012345678" in text
    read = json.loads(text, parse_float=Decimal)
    assert read["rating"]["price"] == Decimal("1E-38")
    assert read["groupby"] == {"x": [1, 1.0, True, None, "1"]}
    assert set(json.loads(POINT.json(legacy=True))) == {"vol", "rating", "desc"}


def test_a_point_of_a_dict() -> None:
    assert DataPoint.from_dict(AS_DICT) == POINT
    assert DataPoint.from_dict(POINT.as_dict(legacy=True), legacy=True) == POINT._replace(groupby=POINT.desc, metadata=FrozenDict())
    nothings: list[dict[str, Any]] = [{}, {"rating": {}}]
    for rating in nothings:
        bare = {name: value for name, value in AS_DICT.items() if name != "rating"} | rating
        assert DataPoint.from_dict(bare).price == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"vol": {"unit": "u"}}, "vol"),
        ({"vol": {"qty": 1}}, "vol"),
        ({"vol": {"unit": None, "qty": 1}}, "vol.unit"),
        ({"vol": {"unit": "u", "qty": "NaN"}}, "vol.qty"),
        ({"vol": {"unit": "u", "qty": "many"}}, "vol.qty"),
        ({"vol": {"unit": "u", "qty": 1, "more": 1}}, "vol"),
        ({"vol": "text"}, "vol"),
        ({"rating": {"price": None}}, "rating.price"),
        ({"rating": {"cost": 1}}, "rating"),
        ({"groupby": None}, "groupby"),
        ({"metadata": [1]}, "metadata"),
        ({"more": 1}, "point"),
    ],
)
def test_a_dict_that_is_no_point(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - a host's code catches ValueError
        DataPoint.from_dict({**AS_DICT, **change})
    assert isinstance(caught.value, InvalidInput)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ('{"vol": {"unit": "h", "qyt": 1}, "groupby": {}, "metadata": {}}', "vol: has unknown key 'qyt'; did you mean 'qty'"),
        (
            '{"vol": {"unit": "h", "qty": 1}, "grupby": {}, "metadata": {}}',
            "point: has unknown key 'grupby'; did you mean 'groupby'",
        ),
        (
            '{"vol": {"unit": "h", "qty": 1}, "rating": {"cost": 1}, "groupby": {}, "metadata": {}}',
            "rating: has unknown key 'cost'",
        ),
    ],
)
def test_an_unknown_key_in_a_point(given: str, told: str) -> None:
    """A price under another name would be a price of 0."""
    with pytest.raises(InvalidInput, match=told):
        DataPoint.from_dict(json.loads(given))


@pytest.mark.parametrize("missing", ["vol", "groupby", "metadata"])
def test_a_dict_that_misses_something(missing: str) -> None:
    with pytest.raises(InvalidInput, match=f"misses {missing}"):
        DataPoint.from_dict({name: value for name, value in AS_DICT.items() if name != missing})
    with pytest.raises(WrongType):
        DataPoint.from_dict([])  # type: ignore[arg-type]


# -- frames ----------------------------------------------------------------------------------------------------------


def test_a_frame_keeps_the_order_of_addition_but_sorts_what_it_is_made_of() -> None:
    frame = DataFrame(START, END, {"z": [POINT], "a": [POINT, POINT]})
    frame.add_point(POINT, "m")
    frame.add_points([POINT], "b")
    frame.add_points([POINT], "a")
    assert [type_ for type_, _ in frame.itertypes()] == ["a", "z", "m", "b"]
    assert [type_ for type_, _ in frame.iterpoints()] == ["a", "a", "a", "z", "m", "b"]
    assert {type_: len(points) for type_, points in frame.itertypes()} == {"a": 3, "z": 1, "m": 1, "b": 1}


def test_a_frame_to_a_dict_and_back() -> None:
    frame = DataFrame(START, END, {"cpu": [POINT], "disk": [POINT, POINT]})
    as_dict = frame.as_dict()
    assert as_dict["period"] == {"begin": START, "end": END}
    assert as_dict["usage"]["cpu"] == [AS_DICT]
    assert DataFrame.from_dict(as_dict) == frame
    assert DataFrame.from_dict(frame.as_dict(mutable=True)) == frame
    assert DataFrame.from_dict(json.loads(frame.json(), parse_float=Decimal)) == frame
    legacy = DataFrame.from_dict(frame.as_dict(legacy=True), legacy=True)
    assert [point.metadata for _, point in legacy.iterpoints()] == [{}] * 3


def test_times_of_a_frame_may_be_text() -> None:
    frame = DataFrame.from_dict({"period": {"begin": "2024-03-01T00:00:00", "end": "2024-03-01T02:00:00+01:00"}, "usage": {}})
    assert frame == DataFrame(START, END)
    assert frame == DataFrame(START.replace(tzinfo=None), END)
    assert frame != DataFrame(START, START)
    assert frame != "text"


def test_a_frame_says_what_it_holds() -> None:
    assert (
        repr(DataFrame(START, END, {"cpu": [POINT]})) == "<DataFrame 2024-03-01T00:00:00+00:00..2024-03-01T01:00:00+00:00 {cpu: 1}>"
    )


@pytest.mark.parametrize(
    ("arguments", "field", "error"),
    [
        (("2024", END), "start", WrongType),
        ((START, None), "end", WrongType),
        ((END, START), "start", InvalidInput),
        ((START, END, [POINT]), "usage", WrongType),
        ((START, END, {1: [POINT]}), "type", TypeError),
        ((START, END, {"x" * 256: [POINT]}), "type", InvalidInput),
        ((START, END, {"\ud800": [POINT]}), "type", InvalidInput),
    ],
)
def test_what_no_frame_is_made_of(arguments: tuple[Any, ...], field: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        DataFrame(*arguments)
    assert getattr(caught.value, "field", field) == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"usage": []}, "usage"),
        ({"usage": {"cpu": POINT.as_dict()}}, "usage['cpu']"),
        ({"usage": {"cpu": [AS_DICT, {**AS_DICT, "vol": {"unit": "u", "qty": "NaN"}}]}}, "usage['cpu'][1].vol.qty"),
        ({"usage": {"cpu": [{}]}}, "usage['cpu'][0].point"),
        ({"period": {"begin": START}}, "period"),
        ({"period": {"begin": "yesterday", "end": END}}, "period.begin"),
        ({"more": 1}, "frame"),
    ],
)
def test_a_dict_that_is_no_frame(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        DataFrame.from_dict({"period": {"begin": START, "end": END}, "usage": {}, **change})
    assert caught.value.field == field


def test_an_error_shows_no_whole_document() -> None:
    with pytest.raises(InvalidInput) as caught:
        DataFrame.from_dict({"period": {}, "usage": {}, **{"x" * 1000 + str(n): 1 for n in range(3)}})
    assert len(str(caught.value)) < 400


# -- helpers ---------------------------------------------------------------------------------------------------------


class Foreign:
    unit, qty, price, groupby, metadata = "u", "1", 2, {"a": 1}, {"b": 2}


def test_another_class_of_points_becomes_ours() -> None:
    assert checked(Foreign()) == DataPoint("u", 1, 2, {"a": 1}, {"b": 2})
    with pytest.raises(WrongType, match="str has no unit"):
        checked("text")


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}, True),
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": None}, {"a": "null"}, False),
        ({"a": None}, {}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
    ],
)
def test_the_canonical_form(left: dict[str, Any], right: dict[str, Any], same: bool) -> None:
    assert (canonical(left) == canonical(right)) is same
