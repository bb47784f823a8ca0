"""Notifications become events: Nova's own 140, audit records, and definitions in Ceilometer's form."""

from __future__ import annotations

import collections
import datetime as dt
import json
import pathlib

import pytest

from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.events import Event, EventFilter
from undercroft.events.definitions import Converter

DATA = pathlib.Path(__file__).parent / "data"
NOVA = [json.loads(line) for line in (DATA / "nova.jsonl").read_text().splitlines()]
TEXT, INT, FLOAT, MOMENT = 1, 2, 3, 4


def traits(event: Event) -> dict[str, tuple[int, object]]:
    return {trait.name: (trait.dtype, trait.value) for trait in event.traits or ()}


def converter(*definitions: dict[str, object], keep_raw: bool = False) -> Converter:
    return Converter(list(definitions), keep_raw)


def test_nova_s_notifications_are_found_by_their_traits(opener):
    store = opener()
    made = Converter.load()
    store.record_events([made.event(each) for each in NOVA])
    store.record_events([made.event(each) for each in NOVA])
    events = list(store.get_events(EventFilter()))
    assert collections.Counter(e.event_type for e in events) == collections.Counter(n["event_type"] for n in NOVA)
    instances = [n for n in NOVA if n["event_type"].startswith("instance.")]
    ids = {n["payload"]["nova_object.data"]["uuid"] for n in instances}
    found = [
        event
        for uuid in ids
        for event in store.get_events(EventFilter(traits_filter=[{"key": "resource_id", "string": uuid}]))
        if event.event_type.startswith("instance.")
    ]
    assert len(found) == len(instances) > 60
    flavors = [n["payload"]["nova_object.data"].get("flavor") for n in instances]
    memory = [f["nova_object.data"]["memory_mb"] for f in flavors if f]
    at_least = EventFilter(traits_filter=[{"key": "memory_mb", "op": "ge", "integer": 256}])
    assert sum(1 for e in store.get_events(at_least) if e.event_type.startswith("instance.")) == sum(m >= 256 for m in memory)


def test_a_versioned_notification():
    (create,) = [n for n in NOVA if n["event_type"] == "instance.create.end"][:1]
    data = create["payload"]["nova_object.data"]
    found = traits(Converter.load().event(create))
    assert found["resource_id"] == (TEXT, data["uuid"])
    assert found["project_id"] == (TEXT, data["tenant_id"])
    assert found["user_id"] == (TEXT, data["user_id"])
    assert found["vcpus"] == (INT, data["flavor"]["nova_object.data"]["vcpus"])
    assert found["launched_at"] == (MOMENT, dt.datetime.fromisoformat(data["launched_at"]).replace(tzinfo=None))
    assert found["service"] == (TEXT, "nova-compute")


BODY = {
    "event_type": "compute.instance.create.end",
    "publisher_id": "compute.host-1",
    "message_id": "m-1",
    "timestamp": "2026-05-01 10:00:00.25+02:00",
    "_context_request_id": "req-7",
    "payload": {
        "size": "12", "load": 0.5, "empty": "", "none": None, "when": "2026-05-01T08:00:00Z", "state": "Active",
        "image_meta": {"org.openstack__1__os": "linux"}, "from": "2026-05-01T00:00:00", "to": "2026-05-01T00:01:30",
        "list": [{"name": "a", "n": 1}, {"name": "b", "n": 2}],
    },
}  # fmt: skip


def test_every_form_of_a_definition():
    found = converter(
        {
            "event_type": "compute.*",
            "traits": {
                "size": {"type": "int", "fields": "payload.size"},
                "load": {"type": "float", "fields": ["payload.nothing", "payload.load"]},
                "empty": {"type": "datetime", "fields": "payload.empty"},
                "kept": "payload.empty",
                "none": {"fields": "payload.none"},
                "when": {"type": "datetime", "fields": "payload.when"},
                "os": {"fields": "payload.image_meta.'org.openstack__1__os'"},
                "host": {"fields": "publisher_id", "plugin": {"name": "split", "parameters": {"segment": 1, "max_split": 1}}},
                "part": {"fields": "publisher_id.`split(., 0, -1)`"},
                "state": {
                    "type": "int", "fields": "payload.state",
                    "plugin": {"name": "map", "parameters": {"values": {"active": 1}, "default": 0, "case_sensitive": False}},
                },
                "took": {"type": "float", "fields": ["payload.from", "payload.to"], "plugin": "timedelta"},
                "bits": {
                    "type": "int", "fields": ["payload.state", "payload.size"],
                    "plugin": {"name": "bitfield", "parameters": {
                        "initial_bitfield": 8,
                        "flags": [{"path": "payload.state", "bit": 0, "value": "Active"}, {"path": "payload.size", "bit": 2}],
                    }},
                },
                "second": {"fields": "payload.list[?(@.n > 1)].name"},
                "wrong": {"type": "int", "fields": "payload.state"},
            },
        }
    ).event(BODY)  # fmt: skip
    assert (found.message_id, found.generated) == ("m-1", dt.datetime(2026, 5, 1, 8, 0, 0, 250000))
    assert traits(found) == {
        "size": (INT, 12), "load": (FLOAT, 0.5), "kept": (TEXT, ""), "when": (MOMENT, dt.datetime(2026, 5, 1, 8)),
        "os": (TEXT, "linux"), "host": (TEXT, "host-1"), "part": (TEXT, "compute"), "state": (INT, 1), "took": (FLOAT, 90.0),
        "bits": (INT, 13), "second": (TEXT, "b"), "service": (TEXT, "compute.host-1"), "request_id": (TEXT, "req-7"),
    }  # fmt: skip


def test_the_last_definition_that_fits_is_taken():
    made = converter(
        {"event_type": "*", "traits": {"which": "payload.size"}},
        {"event_type": ["a.*", "!a.b"], "traits": {"other": "payload.size"}},
    )
    for event_type, name in (("a.c", "other"), ("a.b", "which"), ("z", "which")):
        assert name in traits(made.event({**BODY, "event_type": event_type}))
    only_excluded = converter({"event_type": "!a.*", "traits": {"which": "payload.size"}})
    assert "which" in traits(only_excluded.event({**BODY, "event_type": "b"}))
    assert "which" not in traits(only_excluded.event({**BODY, "event_type": "a.b"}))


def test_an_audit_record():
    record = {
        "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event", "id": "audit-1", "eventType": "activity", "action": "update",
        "outcome": "failure", "eventTime": "2026-05-01T10:00:00.5+0200", "reason": {"reasonCode": "403", "reasonType": "HTTP"},
        "requestPath": "/v3/users/1", "severity": "normal",
        "initiator": {
            "id": "u1", "user_id": "u1", "project_id": "p1", "name": "eve", "typeURI": "service/security/account/user",
            "host": {"address": "192.0.2.7", "agent": "curl"},
        },
        "target": {"id": "t1", "typeURI": "data/security/account/user"}, "observer": {"id": "o1", "typeURI": "service/security"},
    }  # fmt: skip
    found = traits(Converter.load().event({**BODY, "event_type": "audit.http.request", "payload": record}))
    wanted = {
        "action": "update", "outcome": "failure", "reason_code": "403", "initiator_id": "u1", "initiator_name": "eve",
        "initiator_host_address": "192.0.2.7", "target_id": "t1", "target_type": "data/security/account/user",
        "observer_id": "o1", "request_path": "/v3/users/1", "project_id": "p1", "user_id": "u1", "resource_id": "t1",
    }  # fmt: skip
    assert {name: found[name][1] for name in wanted} == wanted
    assert found["event_time"] == (MOMENT, dt.datetime(2026, 5, 1, 8, 0, 0, 500000))


def test_an_id_is_made_of_what_is_told():
    bare = {"event_type": "x", "payload": {"a": 1}}
    one, other = (Converter.load().event(each) for each in (bare, {"payload": {"a": 1}, "event_type": "x"}))
    assert one.message_id == other.message_id != Converter.load().event({**bare, "payload": {"a": 2}}).message_id
    assert converter(keep_raw=True).event(bare).raw == bare


@pytest.mark.parametrize("given", [None, [], "x", {}, {"event_type": 5}, {"event_type": "x", "timestamp": "yesterday"}])
def test_what_is_no_notification_is_refused(given):
    with pytest.raises(InvalidInput):
        converter().event(given)


@pytest.mark.parametrize(
    "given",
    [
        "text", [1], [{"event_type": "x"}],
        [{"event_type": 5, "traits": {}}], [{"event_type": "x", "traits": {"a": {"type": "int"}}}],
        [{"event_type": "x", "traits": {"a": {"type": "blob", "fields": "b"}}}],
        [{"event_type": "x", "traits": {"a": "payload.["}}],
        [{"event_type": "x", "traits": {"a": {"fields": "b", "plugin": "exec"}}}],
        [{"event_type": "x", "traits": {"a": {"fields": "b", "plugin": {"name": "split", "parameters": {"no": 1}}}}}],
    ],
)  # fmt: skip
def test_definitions_of_another_form_are_refused(given):
    with pytest.raises(ConfigInvalid):
        Converter(given)


@pytest.mark.promise("S9")
@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system ['true']", "a: [", "\xff".encode("latin-1"), "- !!python/name:os.system"]
)
def test_a_file_that_is_no_plain_yaml_is_refused(tmp_path, text):
    file = tmp_path / "definitions.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigInvalid):
        Converter.load(str(file))
    with pytest.raises(ConfigInvalid):
        Converter.load(str(tmp_path / "nothing.yaml"))
