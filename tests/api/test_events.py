"""Events over HTTP: Panko's API word for word, ingest, counts, the tail, downloads."""

from __future__ import annotations

import io
import json
import threading
import time
from typing import Any

import httpx
import pyarrow.parquet
import pytest

from tests.api.answers import ADMIN, MEMBER, fault, named, send_in_pairs
from tests.api.service import serving
from tests.conftest import url_of
from undercroft.events import EventFilter

INGEST = "/events/v1/ceilometer/events"


def made(number: int, project: str | None = "a", user: str = "u3", **more: Any) -> dict[str, Any]:
    at = f"{number // 60:02}:{number % 60:02}"
    traits: list[list[Any]] = [
        ["size", 2, number],
        ["load", 3, number / 4],
        ["at", 4, f"2026-01-01T00:00:{number % 60:02}"],
        ["name", 1, f"n{number}"],
    ]
    traits += [["project_id", 1, project], ["user_id", 1, user]] if project else []
    return {
        "message_id": f"m{number:03}", "event_type": f"k{number % 3}", "generated": f"2026-01-01T00:{at}",
        "traits": traits, "raw": {"n": number}, **more,
    }  # fmt: skip


@pytest.fixture
def filled(service, event_place):
    """Twenty events of project a (ten of its member), five of b, five of nobody."""
    event_place.opened[0].clear()
    events = [made(n, "a", "u3" if n % 2 else "u4") for n in range(20)]
    events += [made(n, "b", "u11") for n in range(20, 25)] + [made(n, None) for n in range(25, 30)]
    answer = service.client.post(INGEST, json=events, headers=ADMIN)
    assert answer.json() == {"accepted": 30, "duplicates": 0}
    return service


def ask(service: Any, path: Any = "/v2/events", headers: Any = ADMIN, **params: Any) -> httpx.Response:
    found: httpx.Response = service.client.get(f"/events{path}", params=params, headers=headers)
    return found


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["message_id"] for each in answer.json()]


# -- Panko's API -------------------------------------------------------------------------------------------------------


def test_versions_and_capabilities(service):
    (version,) = service.client.get("/events/").json()["versions"]["values"]
    assert version["id"] == "v2"
    assert version["links"][0] == {"href": f"{service.url}/events/v2", "rel": "self", "type": None}
    assert version["media-types"][0] == {"base": "application/json", "type": "application/vnd.openstack.telemetry-v2+json"}
    assert service.client.get("/events/v2/capabilities/").json() == {
        "api": {"events:query:simple": True},
        "event_storage": {"storage:production_ready": True},
    }
    assert service.client.get("/events/v2").status_code == 404
    assert "x-openstack-request-id" in service.client.get("/events/v2").headers


def test_an_event_as_clients_get_it(filled):
    assert ask(filled, "/v2/events/m007").json() == {
        "message_id": "m007",
        "event_type": "k1",
        "generated": "2026-01-01T00:00:07",
        "traits": [
            {"name": "at", "type": "datetime", "value": "2026-01-01T00:00:07"},
            {"name": "load", "type": "float", "value": "1.75"},
            {"name": "name", "type": "string", "value": "n7"},
            {"name": "project_id", "type": "string", "value": "a"},
            {"name": "size", "type": "integer", "value": "7"},
            {"name": "user_id", "type": "string", "value": "u3"},
        ],
        "raw": {"n": 7},
    }
    assert fault(ask(filled, "/v2/events/m020"), 404) == "Event m020 Not Found"
    assert fault(ask(filled, "/v2/events/nothing"), 404) == "Event nothing Not Found"


def test_whose_events_are_seen(filled):
    assert ids(ask(filled)) == named(*range(20), *range(25, 30))
    assert ids(ask(filled, **{"q.field": "all_tenants", "q.value": "True"})) == named(*range(30))
    assert ids(ask(filled, headers=MEMBER)) == named(*range(1, 20, 2))
    assert ids(ask(filled, headers=MEMBER, **{"q.field": "all_tenants", "q.value": "true"})) == []
    assert fault(ask(filled, headers={"X-Auth-Token": "t-member-x"}), 403) == "RBAC Authorization Failed"
    assert fault(ask(filled, "/v2/event_types", headers=MEMBER), 401) == "Not Authorized to access project a"
    assert fault(ask(filled, headers=MEMBER, marker="m002")) == "Marker m002 not found."
    assert ids(ask(filled, headers=MEMBER, marker="m015")) == named(17, 19)


@pytest.mark.parametrize(
    ("field", "op", "value", "kind", "wanted"),
    [
        ("size", "eq", "7", "integer", [7]), ("size", "gt", "17", "integer", [18, 19, 25, 26, 27, 28, 29]),
        ("size", "ne", "0", "string", []), ("load", "le", "0.5", "float", [0, 1, 2]), ("name", "", "n3", "", [3]),
        ("at", "lt", "2026-01-01T01:00:03+01:00", "datetime", [0, 1, 2]), ("message_id", "eq", "m004", "", [4]),
        ("event_type", "eq", "k2", "string", [2, 5, 8, 11, 14, 17, 26, 29]),
        ("start_timestamp", "ge", "2026-01-01T00:00:28", "", [28, 29]), ("end_timestamp", "le", "2026-01-01T00:00:01Z", "", [0, 1]),
    ],
)  # fmt: skip
def test_queries(filled, field, op, value, kind, wanted):
    asked = {"q.field": field, "q.op": op, "q.value": value, "q.type": kind}
    assert ids(ask(filled, **asked)) == named(*wanted)
    body = {"q": [{"field": field, "op": op or None, "value": value, "type": kind or None}]}
    answer = filled.client.request("GET", "/events/v2/events", json=body, headers=ADMIN)
    assert ids(answer) == named(*wanted)


def test_several_queries_belong_together_by_position(filled):
    asked = {"q.field": ["size", "name"], "q.op": ["lt", "eq"], "q.value": ["10", "n4"], "q.type": ["integer", "string"]}
    assert ids(ask(filled, **asked)) == named(4)


DIRECTIONS = "the supported sort directions are: ('asc', 'desc')"
PAIR = (
    "the sort parameter should be a pair of sort key and sort dir combined with ':', or only sort key specified and sort dir will "
    "be default 'asc'"
)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"q.field": "a", "q.op": "like", "q.value": "x"},
         "Operator like is not supported. The supported operators are: ('lt', 'le', 'eq', 'ne', 'ge', 'gt')"),
        ({"q.field": "start_timestamp", "q.op": "lt", "q.value": "2026-01-01"},
         "Operator lt is not supported. Only `ge' operator is available for field start_timestamp"),
        ({"q.field": "event_type", "q.op": "ne", "q.value": "x"},
         "Operator ne is not supported. Only `eq' operator is available for field event_type"),
        ({"q.field": "a", "q.value": "abc", "q.type": "integer"},
         "Unable to convert the value abc to the expected data type integer."),
        ({"q.field": "a", "q.value": "abc", "q.type": "blob"},
         "The data type blob is not supported. The supported data type list is: ['integer', 'float', 'string', 'datetime']"),
        ({"bogus": "1"}, 'Unknown argument: "bogus"'),
        ({"limit": "-1"}, "Invalid input for field/attribute limit. Value: '-1'. the limit should be a positive integer."),
        ({"sort": "x"},
         f"Invalid input for field/attribute sort. Value: 'x'. {PAIR}, the supported sort keys are: ('message_id', 'generated')"),
        ({"sort": "generated:up"},
         f"Invalid input for field/attribute sort direction. Value: 'generated:up'. {PAIR}, {DIRECTIONS}"),
        ({"marker": "nobody"}, "Marker nobody not found."),
    ],
)  # fmt: skip
def test_the_words_of_refusals(filled, params, text):
    assert fault(ask(filled, **params)) == text


@pytest.mark.parametrize(
    "params",
    [
        {"q.field": "a"},
        {"q.value": "a"},
        {"q.field": "", "q.value": "a"},
        {"q.field": "start_timestamp", "q.value": "soon", "q.op": "ge"},
    ],
)
def test_half_a_query_is_refused(filled, params):
    fault(ask(filled, **params))


def test_bodies_that_cannot_be_meant(filled):
    for content, kind, status in (
        (b"[]", "application/json", 400),
        (b"q", "text/plain", 415),
        (b'{"q": 5}', "application/json", 400),
        (b'{"q": [{"field": "size", "value": "7", "tpye": "integer"}]}', "application/json", 400),
    ):
        answer = filled.client.request("GET", "/events/v2/events", content=content, headers={**ADMIN, "Content-Type": kind})
        fault(answer, status)


def test_pages(filled):
    assert ids(ask(filled, limit=3, sort="generated:desc")) == named(29, 28, 27)
    assert ids(ask(filled, limit=3, sort=["generated:desc", "message_id"], marker="m027")) == named(26, 25, 19)
    assert ids(ask(filled, limit=0)) == ids(ask(filled))
    assert ids(ask(filled, limit=2000)) == ids(ask(filled))


def test_types_and_traits(filled):
    assert ask(filled, "/v2/event_types/").json() == ["k0", "k1", "k2"]
    assert fault(ask(filled, "/v2/event_types/k1"), 404)
    assert {"name": "size", "type": "integer"} in ask(filled, "/v2/event_types/k1/traits/").json()
    assert ask(filled, "/v2/event_types/never/traits").json() == []
    found = ask(filled, "/v2/event_types/k1/traits/load").json()
    assert found[0].keys() == {"name", "type", "value"}
    assert sorted(float(each["value"]) for each in found) == [n / 4 for n in range(1, 30, 3)]
    for method in ("POST", "PUT", "DELETE"):
        assert fault(filled.client.request(method, "/events/v2/events", headers=ADMIN), 405)


# -- taking events in --------------------------------------------------------------------------------------------------


def test_what_is_repeated_is_stored_once(filled):
    one = made(100)
    assert filled.client.post(INGEST, json=one, headers=ADMIN).json() == {"accepted": 1, "duplicates": 0}
    assert filled.client.post(INGEST, json=[one, one], headers=ADMIN).json() == {"accepted": 0, "duplicates": 2}


def test_good_items_beside_bad_ones_are_stored(filled):
    bad = [5, {"message_id": "x", "event_type": "y"}, made(201, traits=[["a", 9, 1]]), made(202, traits=[["a", 2, 2**63]])]
    text = fault(filled.client.post(INGEST, json=[made(200), *bad, made(203)], headers=ADMIN))
    assert text.startswith("4 events refused, 2 stored: [1] ")
    assert all(f"[{place}]" in text for place in (1, 2, 3, 4))
    assert ids(ask(filled, **{"q.field": "size", "q.op": "ge", "q.value": "200", "q.type": "integer"})) == named(200, 203)


def test_pankoclient_s_traits_bare_payloads_and_notifications(filled, event_place):
    store = event_place.opened[0]
    shaped = made(
        300, traits=[{"name": "size", "type": "integer", "value": "300"}, {"name": "load", "type": "float", "value": "inf"}]
    )
    assert filled.client.post(INGEST, json=shaped, headers=ADMIN).status_code == 200
    (event,) = store.get_events(EventFilter(message_id="m300"))
    assert [(t.name, t.value) for t in event.traits] == [("load", float("inf")), ("size", 300)]
    payloads = [{"uuid": "x", "state": "active"}, {"uuid": "y"}]
    for accepted in (2, 0):
        assert filled.client.post(INGEST, json=payloads, headers=ADMIN).json()["accepted"] == accepted
    assert len(list(store.get_events(EventFilter(event_type="raw")))) == 2
    notification = {"event_type": "image.update", "message_id": "m-n", "timestamp": "2026-01-02", "payload": {"id": "i", "size": 7}}
    assert filled.client.post("/events/v1/notifications", json=notification, headers=ADMIN).json()["accepted"] == 1
    (event,) = store.get_events(EventFilter(message_id="m-n"))
    assert {t.name: t.value for t in event.traits} == {"resource_id": "i", "size": 7}


def test_envelopes_and_values_that_cannot_be_kept(filled, event_place):
    store = event_place.opened[0]
    event, note = (
        made(310),
        {"event_type": "image.update", "message_id": "m-e", "timestamp": "2026-01-02", "payload": {"size": 2**64}},
    )
    for path, inner, name in ((INGEST, event, event["message_id"]), ("/events/v1/notifications", note, "m-e")):
        envelope = {"oslo.version": "2.0", "oslo.message": json.dumps(inner)}
        assert filled.client.post(path, json=[envelope, envelope], headers=ADMIN).json() == {"accepted": 1, "duplicates": 1}
        assert [each.message_id for each in store.get_events(EventFilter(message_id=name))] == [name]
    cut = {"oslo.version": "2.0", "oslo.message": "{"}
    assert "oslo.message" in fault(filled.client.post(INGEST, json=cut, headers=ADMIN))


@pytest.mark.promise("S6")
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[1e999]", b"NaN", b'{"message_id": "\\ud800", "event_type": "x", "generated": "2026-01-01"}',
        b'{"a": 1, "a": 2}',
        b"[" * 70 + b"]" * 70,
        b'{"message_id": "x", "event_type": "y", "generated": "2026-01-01", "traits": [["a", 3, NaN]]}',
    ],
)  # fmt: skip
def test_bodies_that_are_no_events_are_answered(filled, body):
    fault(filled.client.post(INGEST, content=body, headers={**ADMIN, "Content-Type": "application/json"}))


def test_too_large_a_body(filled):
    assert filled.client.post(INGEST, json=made(400, raw="x" * 2**20), headers=ADMIN).status_code == 413


@pytest.mark.promise("D2")
def test_single_events_of_many_senders_are_each_there_once(filled, event_place, record):
    def item(name: str, sender: int, number: int) -> Any:
        return made(1_000 + number * 10 + sender % 4, message_id=name)

    sent = send_in_pairs(filled.url, INGEST, item)
    stored = sum(1 for event in event_place.opened[0].get_events(EventFilter()) if event.message_id.startswith("s-"))
    record(sent=sent, stored=stored)
    assert stored == sent // 2


# -- counts, the tail, downloads ---------------------------------------------------------------------------------------


def test_counts(filled):
    below = 'message_id ^= "m0"'
    found = ask(filled, "/v1/events/count", groupby=["event_type"], where=below).json()["counts"]
    assert found == [{"group": {"event_type": f"k{n}"}, "start": None, "count": count} for n, count in enumerate((8, 9, 8))]
    found = ask(filled, "/v1/events/count", headers=MEMBER, interval=10, where=below).json()["counts"]
    assert found == [{"group": {}, "start": f"2026-01-01T00:00:{n}0", "count": 5} for n in (0, 1)]
    fault(ask(filled, "/v1/events/count", interval="x"))
    fault(ask(filled, "/v1/events/count", where="size >"))


def parts(text: str) -> list[dict[str, str]]:
    """The messages of a stream of server-sent events."""
    return [dict(line.split(": ", 1) for line in block.splitlines() if ": " in line) for block in text.split("\n\n") if block]


def arrived(service: Any, least: int, headers: dict[str, str] = MEMBER, **asked: Any) -> tuple[list[str], httpx.Response]:
    """Message ids of a tail, and its answer, once it has so many: others' open transactions hold a tail up."""
    until = time.monotonic() + 60
    while True:
        answer = tail(service, headers, **asked)
        found = [json.loads(each["data"])["message_id"] for each in parts(answer.text) if "data" in each]
        if len(found) >= least or time.monotonic() > until:
            return found, answer
        time.sleep(0.1)


def test_a_tail_is_gone_on_with(filled):
    seen, answer = arrived(filled, 10, after="start")
    first = parts(answer.text)
    assert seen[:10] == named(*range(1, 20, 2))
    cursor = [each["id"] for each in first if "id" in each][-1]
    assert not any("data" in each for each in parts(ask(filled, "/v1/events/tail", headers=MEMBER, after=cursor, seconds=0).text))
    late = made(501, generated="1999-01-01T00:00:00")
    assert filled.client.post(INGEST, json=late, headers=ADMIN).status_code == 200
    assert arrived(filled, 1, {**MEMBER, "Last-Event-ID": cursor})[0] == ["m501"]
    fault(ask(filled, "/v1/events/tail", after="no cursor"))


def tail(service: Any, headers: dict[str, str] = MEMBER, **asked: Any) -> httpx.Response:
    return ask(service, "/v1/events/tail", headers=headers, **{"seconds": 0, **asked})


def end_of(answer: httpx.Response) -> str:
    """The cursor that a tail ends with."""
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in parts(answer.text) if "id" in each][-1]


@pytest.mark.promise("S8")
def test_a_cursor_is_opaque_and_no_byte_of_it_may_change(filled, event_place, record):
    cursor = end_of(tail(filled, after="start"))
    assert tail(filled, after=cursor).status_code == 200
    store = event_place.opened[0]
    fault(tail(filled, after=store.tail_end()))
    assert store.tail_end() not in cursor
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    flipped = [
        cursor[:place] + other + cursor[place + 1 :]
        for place, is_there in enumerate(cursor)
        for other in (alphabet[alphabet.index(is_there) ^ bit] for bit in (1, 32))
    ]
    more = ["=", "A", "AA", "\n", " ", "é", "\x00"]
    wrong = [*flipped, cursor[:-1], cursor[1:], *(cursor + each for each in more), *(each + cursor for each in more)]
    for each in wrong:
        assert "cursor of this query" in fault(tail(filled, after=each))
    for each in flipped[::7]:
        fault(tail(filled, {**MEMBER, "Last-Event-ID": each}))
    record(cursors=len(wrong), taken=0)


@pytest.mark.promise("S8")
def test_a_cursor_is_for_one_caller_and_one_question(filled):
    mine = end_of(tail(filled, where="size > 1", after="start"))
    others = [{"X-Auth-Token": token} for token in ("t-reader-a", "t-member-b", "t-admin-a", "t-admin-b")]
    for headers in others:
        fault(tail(filled, headers, where="size > 1", after=mine))
    questions: list[dict[str, Any]] = [
        {}, {"where": "size > 2"}, {"where": "size > 1", "q.field": "event_type", "q.value": "k1"},
    ]  # fmt: skip
    for question in questions:
        fault(tail(filled, **question, after=mine))
    everything: dict[str, Any] = {"q.field": "all_tenants", "q.value": "true"}
    whole = end_of(tail(filled, ADMIN, **everything, after="start"))
    fault(tail(filled, ADMIN, after=whole))
    fault(tail(filled, others[-1], **everything, after=whole))
    assert tail(filled, where="size > 1", after=mine).status_code == 200
    assert tail(filled, ADMIN, **everything, after=whole).status_code == 200


@pytest.mark.promise("S8")
def test_a_cursor_is_good_after_what_it_saw_is_deleted_and_in_another_process(filled, event_place, tokens):
    cursor = end_of(arrived(filled, 10, after="start")[1])
    event_place.opened[0].clear()
    assert filled.client.post(INGEST, json=made(503), headers=ADMIN).status_code == 200
    with serving(None, auth="tokens", token_file=tokens, events=url_of(event_place)) as another:
        for service in (filled, another):
            assert arrived(service, 1, after=cursor)[0] == ["m503"]


def test_an_event_comes_while_one_waits(filled):
    came: list[str] = []
    begun, done = threading.Event(), threading.Event()

    def follow() -> None:
        with filled.client.stream("GET", "/events/v1/events/tail", params={"where": 'name = "live"'}, headers=ADMIN) as answer:
            begun.set()
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    came.append(json.loads(line[6:])["message_id"])
                    done.set()
                    return

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    assert begun.wait(30)
    assert filled.client.post(INGEST, json=made(502, traits=[["name", 1, "live"]]), headers=ADMIN).status_code == 200
    assert done.wait(30)
    follower.join(30)
    assert came == ["m502"]


def test_downloads_have_every_event(filled):
    wanted = named(*range(1, 20, 2))
    where = {"where": "size < 30"}
    lines = ask(filled, "/v1/events", headers=MEMBER, **where)
    assert [json.loads(line)["message_id"] for line in lines.text.splitlines()] == wanted
    rows = ask(filled, "/v1/events", headers=MEMBER, format="csv", **where)
    assert rows.headers["content-type"].startswith("text/csv")
    assert [row.partition(",")[0] for row in rows.text.splitlines()] == ["message_id", *wanted]
    table = pyarrow.parquet.read_table(io.BytesIO(ask(filled, "/v1/events", headers=MEMBER, format="parquet", **where).content))
    assert table.column("message_id").to_pylist() == wanted
    assert {"name": "size", "type": "integer", "string": None, "integer": 1, "float": None, "datetime": None} in table.column(
        "traits"
    ).to_pylist()[0]
    fault(ask(filled, "/v1/events", format="xml"))


# -- when the store is away --------------------------------------------------------------------------------------------


@pytest.mark.promise("D2")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_sender_gets_no_whole_answer_when_the_store_is_away(tmp_path, workers):
    """The store is without its tables: the sender must keep what it has."""
    away = f"sqlite:///{tmp_path}/empty.db"
    with serving(None, "--workers", workers, events=away) as service:
        with pytest.raises(httpx.TransportError):
            service.client.post(INGEST, json=made(1))
        # What is wrong with the request itself is told.
        assert service.client.post(INGEST, json=[5]).status_code == 400
        assert 'undercroft_gathered_waiting{kind="events"} 0.0\n' in service.client.get("/metrics").text
    with serving(None, events=away, event_settings={"on_error": "answer"}) as service:
        assert service.client.post(INGEST, json=made(1)).status_code == 503


def test_pages_of_other_origins(event_place):
    with serving(None, events=url_of(event_place), cors_origins="https://console.example.org") as service:
        for origin, allowed in (("https://console.example.org", "https://console.example.org"), ("https://evil.example", None)):
            answer = service.client.get("/events", headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed
        headers = {"Origin": "https://console.example.org", "Access-Control-Request-Method": "GET"}
        assert service.client.options("/events/v2/events", headers=headers).status_code == 200


def test_without_identity_headers_types_are_not_told(event_place):
    with serving(None, events=url_of(event_place)) as service:
        assert service.client.get("/events/v2/event_types").status_code == 401
        headers = {"X-Roles": "admin", "X-User-Id": "u", "X-Project-Id": "p"}
        assert service.client.get("/events/v2/event_types", headers=headers).status_code == 200
        assert service.client.get("/events/v2/events").status_code == 403
        assert service.client.get("/rating/v2/summary").status_code == 404
