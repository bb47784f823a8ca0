"""The models of events: what the seed and the contract say of them."""

from __future__ import annotations

import datetime as dt

import pytest

from undercroft.core.errors import InvalidInput
from undercroft.core.model import Model
from undercroft.events import (
    Connection,
    Event,
    EventFilter,
    InvalidMarker,
    StorageBadAggregate,
    StorageBadVersion,
    Trait,
    serialize_dt,
)

NOON = dt.datetime(2024, 1, 1, 12, 0, 0, 5)


def event(*traits: Trait) -> Event:
    return Event("id", "type", NOON, list(traits), {"a": 1})


def test_a_model_is_what_it_was_given():
    model = Model(a=1, b=Model(c=2), d=[Model(e=3)], f=[])
    assert model.fields == ["a", "b", "d", "f"]
    assert model.as_dict() == {"a": 1, "b": {"c": 2}, "d": [{"e": 3}], "f": []}
    assert model == Model(a=1, b=Model(c=2), d=[Model(e=3)], f=[])
    assert model != Model(a=1)
    assert model != {"a": 1}
    with pytest.raises(TypeError):
        hash(model)


def test_events_compare_by_what_they_hold():
    assert event(Trait("x", 1, "v")) == event(Trait("x", 1, "v"))
    assert event(Trait("x", 1, "v")) != event(Trait("x", 1, "w"))
    assert event() != "event"
    assert list(event().fields) == ["message_id", "event_type", "generated", "traits", "raw"]


def test_an_event_serialises():
    one = event(Trait("x", 4, NOON))
    one.append_trait(Trait("y", 2, 5))
    assert one.serialize() == {
        "message_id": "id",
        "event_type": "type",
        "generated": "2024-01-01T12:00:00.000005",
        "traits": [("x", 4, "2024-01-01T12:00:00.000005"), ("y", 2, 5)],
        "raw": {"a": 1},
    }
    assert repr(one) == "<Event: id, type, 2024-01-01 12:00:00.000005, <Trait: x 4 2024-01-01 12:00:00.000005> <Trait: y 2 5>>"
    bare = Event("id", "type", NOON, None, {})
    assert bare.serialize()["traits"] == []
    bare.append_trait(Trait("y", 2, 5))
    assert bare.traits == [Trait("y", 2, 5)]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("text", 1), ("INT", 2), ("Float", 3), ("datetime", 4), ("none", 0), ("string", None), ("integer", None), ("nothing", None)],
)
def test_types_by_name(name, dtype):
    assert Trait.get_type_by_name(name) == dtype


def test_names_of_types():
    assert list(Trait.get_type_names()) == ["none", "string", "integer", "float", "datetime"]
    assert [Trait.get_name_by_type(dtype) for dtype in (0, 1, 2, 3, 4, 5)] == [*Trait.get_type_names(), "none"]
    assert Trait("x", None, "v").get_type_name() == "none"
    assert Trait("x", 4, NOON).get_type_name() == "datetime"


@pytest.mark.parametrize(
    ("dtype", "given", "wanted"),
    [
        (2, "5", 5), (2, 5.9, 5), (3, "1e3", 1000.0), (3, 2, 2.0), (1, 5, "5"), (1, b"\xc3\xa9", "é"), (1, "x" * 300, "x" * 255),
        (0, None, "None"), (4, "2020-01-01T00:00:00+02:00", dt.datetime(2019, 12, 31, 22)), (4, NOON, NOON),
        (4, "2020-01-01", dt.datetime(2020, 1, 1)), (4, "2020-01-01T00:00:00Z", dt.datetime(2020, 1, 1)),
    ],
)  # fmt: skip
def test_values_are_converted(dtype, given, wanted):
    found = Trait.convert_value(dtype, given)
    assert (found, type(found)) == (wanted, type(wanted))


@pytest.mark.parametrize(("dtype", "given"), [(2, "five"), (3, "much"), (4, "soon"), (4, ""), (1, b"\xff")])
def test_bad_values_are_refused(dtype, given):
    with pytest.raises(ValueError):  # noqa: PT011 - the contract names no more
        Trait.convert_value(dtype, given)


def test_a_filter_keeps_what_it_is_given():
    zoned = dt.datetime(2024, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    asked = EventFilter("2024-01-01T00:00:00+01:00", zoned, "type", "id", None, "project")
    assert asked.start_timestamp == dt.datetime(2023, 12, 31, 23)
    assert asked.end_timestamp == dt.datetime(2024, 1, 1, 10)
    assert (asked.event_type, asked.message_id, asked.traits_filter, asked.admin_proj) == ("type", "id", [], "project")
    assert repr(asked) == (
        "<EventFilter(start_timestamp: 2023-12-31 23:00:00, end_timestamp: 2024-01-01 10:00:00, event_type: type, traits: [])>"
    )
    empty = EventFilter("", None)
    assert (empty.start_timestamp, empty.end_timestamp) == ("", None)
    with pytest.raises(ValueError, match="soon"):
        EventFilter("soon")


def test_moments_serialise():
    assert serialize_dt(NOON) == "2024-01-01T12:00:00.000005"
    assert serialize_dt("text") == "text"
    assert serialize_dt(None) is None


def test_errors_are_the_seeds_and_ours():
    assert StorageBadAggregate.code == 400
    assert str(InvalidMarker("Marker x not found.")) == "Marker x not found."
    assert issubclass(InvalidMarker, InvalidInput)
    assert issubclass(StorageBadVersion, Exception)


def test_the_base_class_answers_on_the_class_itself():
    assert Connection.clear() is Connection.upgrade() is Connection.get_events(EventFilter()) is None
    assert Connection.get_capabilities() == {"events": {"query": {"simple": False}}}
    assert Connection.get_storage_capabilities() == {"storage": {"production_ready": False}}
    calls = [
        lambda: Connection.record_events([]), Connection.get_event_types, lambda: Connection.get_trait_types("t"),
        lambda: Connection.get_traits("t"), lambda: Connection.clear_expired_data(5),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(NotImplementedError):
            call()
    for arguments in ((), (None,), ("log://", None)):
        assert isinstance(Connection(*arguments), Connection)
