"""What conversion lets through: one value that cannot be kept costs its trait, and one fault of the file is told with its place."""

from __future__ import annotations

import copy
import datetime as dt
import json

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.events import Event, EventFilter, wire
from undercroft.events.definitions import Converter
from undercroft.events.record import record

MOMENT = "2026-05-01T08:00:00"
# Every type, every plugin, and paths of which some have no value.
WHOLE = [
    {
        "event_type": ["a.*", "!a.b"],
        "traits": {
            "text": "payload.v",
            "int": {"type": "int", "fields": "payload.v"},
            "float": {"type": "float", "fields": ["payload.none", "payload.v"]},
            "datetime": {"type": "datetime", "fields": "payload.v"},
            "mapped": {"fields": "payload.v", "plugin": {"name": "map", "parameters": {"values": {"a": "b"}, "default": "c"}}},
            "part": {"fields": "payload.v", "plugin": {"name": "split", "parameters": {"separator": ".", "segment": -1}}},
            "took": {"type": "float", "fields": ["payload.v", "payload.w"], "plugin": "timedelta"},
            "bits": {
                "type": "int",
                "fields": ["payload.v", "payload.w"],
                "plugin": {"name": "bitfield", "parameters": {"flags": [{"path": "payload.v", "bit": 1, "value": 1}]}},
            },
            "deep": {"fields": "payload.v[?(@.n > 1)].name"},
            "sorted": {"fields": "payload.v[\\n]"},
        },
    },
    {"event_type": "audit.*", "traits": {}},
]
AUDIT = "http://schemas.dmtf.org/cloud/audit/1.0/event"


def note(**payload):
    return {"event_type": "a.c", "message_id": "m", "timestamp": MOMENT, "payload": payload}


def found(event):
    return {trait.name: trait.value for trait in event.traits or ()}


# -- values --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("int", 2**63), ("int", 18446744073709551615), ("int", -(2**63) - 1), ("int", "many"), ("int", [1]), ("int", "9" * 5_000),
        ("float", "NaN"), ("float", "inf"), ("float", "-Infinity"), ("float", "1e999"), ("float", 10**400), ("float", {}),
        ("datetime", "2016-13"), ("datetime", "0000"),
        ("datetime", "0001-01-01T00:00:00+05:00"), ("datetime", 5), ("datetime", "soon"),
        ("text", "\ud800"), ("text", 10**5_000),
    ],
    ids=range(19),
)  # fmt: skip
def test_a_value_that_cannot_be_kept_costs_its_trait_alone(caplog, type_, value):
    made = Converter([{"event_type": "*", "traits": {"x": {"type": type_, "fields": "payload.x"}, "y": "payload.y"}}])
    event = made.event(note(x=value, y="kept"))
    assert found(event) == {"y": "kept"}
    assert made.left_out == {"x": 1}
    assert "trait x of a notification 'a.c' is left out (1 so far)" in caplog.text
    for _ in range(25):
        made.event(note(x=value))
    assert made.left_out == {"x": 26}
    assert [each.levelname for each in caplog.records].count("WARNING") == 2


@pytest.mark.parametrize(("value", "month"), [("2016-10", 10), ("2016", 1)])
def test_a_year_or_a_month_is_its_first_moment(value, month):
    made = Converter([{"event_type": "*", "traits": {"x": {"type": "datetime", "fields": "payload.x"}}}])
    assert found(made.event(note(x=value))) == {"x": dt.datetime(2016, month, 1)}
    sent = {"message_id": "m", "event_type": "t", "generated": MOMENT, "traits": [["x", 4, value]]}
    assert found(wire.parse(sent)) == {"x": dt.datetime(2016, month, 1)}


@pytest.mark.parametrize("value", [["a"], {"a": 1}, [], {}])
def test_map_meets_a_list_or_an_object(value):
    traits = {"x": {"fields": "payload.x", "plugin": {"name": "map", "parameters": {"values": {"a": "b"}}}}, "y": "payload.y"}
    made = Converter([{"event_type": "*", "traits": traits}])
    assert found(made.event(note(x=value, y=1))) == {"y": "1"}
    assert made.left_out == {"x": 1}


def test_a_wrong_moment_of_an_audit_record_costs_that_trait():
    made = Converter.load()
    payload = {"typeURI": AUDIT, "id": "audit-1", "action": "update", "eventTime": "soon"}
    assert found(made.event({**note(), "payload": payload}))["action"] == "update"
    assert made.left_out == {"event_time": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"message_id": "m" * 256}, {"message_id": "\ud800"}, {"event_type": "t" * 256}, {"event_type": "\udfff"},
        {"timestamp": [MOMENT]}, {"timestamp": "9999-12-31T23:59:59-05:00"}, {"message_id": None, "payload": {"x": "\ud800"}},
    ],
)  # fmt: skip
def test_a_notification_that_cannot_be_an_event_is_refused_as_one(change):
    with pytest.raises(InvalidInput):
        Converter(WHOLE).event({**note(), **change})


def test_hostile_notifications_are_stored_by_every_engine(opener):
    """The same converter's events, as each engine takes them."""
    values = [
        2**63 - 1,
        -(2**63),
        2**64,
        "NaN",
        "a\0b",
        "é" * 300,
        "\U0001f600",
        "",
        "0001-01-01",
        "9999-12-31T23:59:59.999999",
        [[1]],
        {},
    ]
    made = Converter(WHOLE, keep_raw=True)
    events = [made.event({**note(v=value, w=value), "message_id": f"m{place}"}) for place, value in enumerate(values)]
    store = opener()
    assert [outcome.error for outcome in store.store_events(events)] == [None] * len(events)
    assert len(list(store.get_events(EventFilter()))) == len(events)


NAMES = st.sampled_from(["v", "w", "n", "name", "typeURI"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=300)
    | st.sampled_from([MOMENT, "2016", "nan", AUDIT]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
KEYS = "event_type message_id timestamp payload metadata ctxt publisher_id _context_user_id oslo.version oslo.message"
NOTIFICATIONS = JSON | st.dictionaries(st.sampled_from(KEYS.split()), JSON, max_size=6).map(lambda given: {**note(v=1), **given})


@hypothesis.given(NOTIFICATIONS, st.booleans())
@hypothesis.settings(max_examples=150)
def test_any_notification_becomes_an_event_that_can_be_stored_or_is_refused(given, keep_raw):
    try:
        event = Converter(WHOLE, keep_raw=keep_raw).event(given)
    except InvalidInput:
        return
    record(event)


# -- the envelope of oslo.messaging --------------------------------------------------------------------------------------


def wrapped(text, version="2.0"):
    return {"oslo.version": version, "oslo.message": text}


def test_the_envelope_of_oslo_messaging_is_taken_off():
    event = Event("m", "t", dt.datetime(2026, 1, 1), [], {"a": 1})
    inner = msgspec.json.encode(wire.serialize(event)).decode()
    assert wire.parse(wrapped(inner)) == wire.parse_or_raw(wrapped(inner)) == event
    assert Converter.load().event(wrapped(json.dumps(note(v=1)))).message_id == "m"
    assert Converter.load(keep_raw=True).event(wrapped(json.dumps(note(v=1)))).raw == note(v=1)
    assert wire.parse_or_raw(wrapped('{"b": 1}')).raw == {"b": 1}


@pytest.mark.parametrize(
    "given",
    [wrapped("{"), wrapped({}), wrapped("{}", "3.0"), wrapped("{}", 2), wrapped("[" * 900 + "]" * 900), wrapped("[" * 5000)],
)
def test_an_envelope_that_cannot_be_read_is_refused(given):
    for make in (wire.parse, wire.parse_or_raw, Converter.load().event):
        with pytest.raises(InvalidInput, match=r"oslo\."):
            make(given)


def test_an_object_that_is_not_an_event_is_kept_only_where_that_is_asked_for():
    with pytest.raises(InvalidInput, match="--from raw"):
        wire.parse({"a": 1})
    assert wire.raw({"a": 1}).event_type == wire.parse_or_raw({"a": 1}).event_type == "raw"
    with pytest.raises(InvalidInput, match="expected an object"):
        wire.raw([1])
    with pytest.raises(InvalidInput, match="--from notifications"):
        wire.parse(note())


# -- the file ------------------------------------------------------------------------------------------------------------

TRAIT = {"fields": "payload.x"}


def plugin(name, **parameters):
    return {**TRAIT, "plugin": {"name": name, "parameters": parameters}}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"trait": []}, "event: has unknown key 'trait'; did you mean 'traits'"),
        ({"Raw": {}}, "event: has unknown key 'Raw'; did you mean 'raw'"),
        ({"traits": [{"name": "x", "tpye": "integer", "value": 1}]}, r"traits\[0\]: has unknown key 'tpye'; did you mean 'type'"),
    ],
)
def test_an_event_with_an_unknown_key_is_refused(given, told):
    """A misspelt `traits` would store an event without any."""
    whole = {"message_id": "m", "event_type": "t", "generated": "2026-01-01"}
    for make in (wire.parse, wire.parse_or_raw):
        assert make(whole).traits == []
        with pytest.raises(InvalidInput, match=told):
            make(whole | given)


@pytest.mark.parametrize(
    ("trait", "told"),
    [
        (plugin("map", values=[1, 2]), "plugin map: Expected `object`, got `array` - at `$.values`"),
        (plugin("map"), "plugin map: Object missing required field `values`"),
        (plugin("map", values={}, case_sensitive="no"), "$.case_sensitive"),
        (plugin("split", separator=""), "$.separator"),
        (plugin("split", segment="one"), "$.segment"),
        (plugin("split", max_split=1.5), "$.max_split"),
        (plugin("split", separator=None), "$.separator"),
        (plugin("split", sep="."), "unknown field `sep`"),
        (plugin("timedelta", unit="h"), "unknown field `unit`"),
        (plugin("bitfield", flags=[{"bit": 1}]), "missing required field `path` - at `$.flags[0]`"),
        (plugin("bitfield", flags=[{"path": "a", "bit": "z"}]), "$.flags[0].bit"),
        (plugin("bitfield", flags=[{"path": "a", "bit": 63}]), "$.flags[0].bit"),
        (plugin("bitfield", flags={"path": "a"}), "$.flags"),
        (plugin("bitfield", initial_bitfield=2**63), "$.initial_bitfield"),
        ({**TRAIT, "plugin": [1]}, "plugin: Expected `object`, got `array`"),
        ({**TRAIT, "plugin": {}}, "plugin: Object missing required field `name`"),
        ({**TRAIT, "plugin": {"name": ["map"]}}, "plugin: Expected `str`"),
        ({**TRAIT, "plugin": {"name": "map", "parameters": [1]}}, "plugin map: Expected `object`, got `array`"),
        ({**TRAIT, "plugin": {"name": "map", "params": {}}}, "unknown field `params`"),
        ({**TRAIT, "plugin": "spilt"}, "unknown plugin 'spilt'; did you mean 'split'?"),
        ({**TRAIT, "typ": "int"}, "unknown key 'typ'; did you mean 'type'?"),
        ({**TRAIT, "type": ["int"]}, "type: ['int'] is not one of text, int, float, datetime"),
        ({"fields": []}, "fields: expected a JSONPath"),
        ({"fields": [1]}, "fields: expected a JSONPath"),
        ({"fields": {"a": 1}}, "fields: expected a JSONPath"),
        (None, "fields: expected a JSONPath"),
        ({"fields": "payload.[["}, "fields: 'payload.[['"),
    ],
    ids=range(27),
)  # fmt: skip
def test_a_fault_of_the_file_is_told_with_its_place_when_it_is_read(tmp_path, trait, told):
    file = tmp_path / "own.yaml"
    # JSON is YAML.
    file.write_text(json.dumps([{"event_type": "a", "traits": {}}, {"event_type": "b.*", "traits": {"size": trait}}]))
    with pytest.raises(ConfigInvalid) as error:
        Converter.load(str(file))
    assert str(error.value).startswith(f"definitions of events: {file}: entry 2 ('b.*'): trait 'size': ")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- {event_type: [], traits: {}}", "entry 1: event_type: expected text, or a list of texts that is not empty"),
        ("- {event_type: '', traits: {}}", "entry 1: event_type"),
        ("- {event_type: '!', traits: {}}", "entry 1: event_type"),
        ("- {event_type: x, traits: {5: a}}", "trait 5: name: expected text, got int"),
        ('- {event_type: x, traits: {"a\\0": a}}', "U+0000"),
        (f"- {{event_type: x, traits: {{{'a' * 256}: a}}}}", "256 characters"),
        ("- {event_type: x, traits: [a]}", "traits: expected an object"),
        ("- {event_type: x, trait: {}}", "unknown key 'trait'; did you mean 'traits'?"),
        ("- {event_type: x}", "entry 1: traits is missing"),
        ("5", "expected a list of definitions, got 5"),
        ("- !!timestamp soon", "is not YAML"),
        ("- !!int ''", "is not YAML"),
        ("- !!bool maybe", "is not YAML"),
        ("- &a [*a]", "entry 1: expected an object"),
        ("[" * 5_000, "is not YAML"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, text, told):
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(ConfigInvalid) as error:
        Converter.load(str(file))
    assert told in str(error.value)


def places(value, path=()):
    """Every place in the definitions, keys aside."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.binary(max_size=4)
    | st.sampled_from(["int", "map", "payload.v", "payload.v[?(@.a =~ '(')]", "$..*", "`len`", "[z-a]", "split"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=4) | st.sampled_from(["name", "fields", "parameters"]) | st.integers(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@hypothesis.given(st.sampled_from(sorted(places(WHOLE), key=repr)), YAML, JSON)
@hypothesis.settings(max_examples=300)
def test_any_value_at_any_place_of_a_file_ends_in_a_converter_or_a_refusal(path, value, payload):
    given = copy.deepcopy(WHOLE)
    if path:
        parent = given
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = value
    else:
        given = value
    try:
        made = Converter(given)
    except ConfigInvalid:
        return
    record(made.event(note(v=payload, w=payload)))


def test_numbers_that_are_text_are_taken_as_ceilometer_takes_them():
    flags = [{"path": "payload.v", "bit": "2"}]
    made = Converter(
        [{"event_type": "*", "traits": {
            "bits": {"type": "int", "fields": "payload.v", "plugin": {"name": "bitfield", "parameters": {"flags": flags}}},
            "part": {"fields": "payload.v", "plugin": {"name": "split", "parameters": {"segment": "1", "max_split": "2"}}},
        }}]
    )  # fmt: skip
    assert found(made.event(note(v="a.b.c"))) == {"bits": 4, "part": "b"}
