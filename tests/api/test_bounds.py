"""Every list that a caller may send has a bound, which the OpenAPI document tells and the service keeps, at once."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import pathlib
import re
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.api.answers import CLIENT
from tests.api.service import Service, frame, serving
from tests.conftest import url_of
from undercroft.api import openapi, wire
from undercroft.api.kind import routes
from undercroft.api.routes import Route

ADMIN = {"X-Auth-Token": "t-admin-a", **CLIENT}
ROUTES = [route for _, route in routes()]
DOCUMENT = openapi.document()
EMPTY = {"period": {"begin": "1", "end": "2"}, "usage": {}}
SAMPLE = {"counter_name": "x", "counter_type": "gauge", "counter_unit": "", "counter_volume": 1, "resource_id": "r"}
# By route whose body has a list at its top or one level below: a body with so many items, and the list's name.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/rating/v2/dataframes"): (
        "body.dataframes",
        lambda many: {"dataframes": [{"period": {"begin": "1", "end": "2"}, "usage": {}}] * many},
    ),
    ("POST", "/events/v1/ceilometer/events"): ("body", lambda many: [{}] * many),
    ("POST", "/events/v1/notifications"): ("body", lambda many: [{}] * many),
    ("POST", "/metering/v1/ceilometer/samples"): ("body", lambda many: [{}] * many),
    ("POST", "/metering/v2/meters/{meter_name}"): ("body", lambda many: [SAMPLE] * many),
    **{
        (method, f"/messaging/v2/{one}{rest}"): (name, make)
        for one in ("queues/{queue_name}", "topics/{topic_name}")
        for method, rest, name, make in (
            ("POST", "/messages", "body.messages", lambda many: {"messages": [{}] * many}),
            ("PATCH", "", "body", lambda many: [{}] * many),
            ("POST", "/purge", "body.resource_types", lambda many: {"resource_types": ["messages"] * many}),
        )
    },
    **{
        (method, "/messaging/v2/flavors/{flavor_name}"): ("body.pool_list", lambda many: {"pool_list": ["p"] * many})
        for method in ("PUT", "PATCH")
    },
    ("POST", "/messaging/v2/queues/{queue_name}/share"): ("body.methods", lambda many: {"methods": ["GET"] * many}),
}
# Bodies of objects without a list; what is further in is bounded by the size of a body.
OBJECTS = {
    *((method, f"/messaging/v2/{name}") for method, name in (
        ("PUT", "pools/{pool_name}"), ("PATCH", "pools/{pool_name}"),
        ("POST", "queues/{queue_name}/claims"), ("PATCH", "queues/{queue_name}/claims/{claim_id}"),
    )),
    *((method, f"/messaging/v2/{name}{rest}") for name in ("queues/{queue_name}", "topics/{topic_name}") for method, rest in (
        ("PUT", ""), ("POST", "/subscriptions"), ("PATCH", "/subscriptions/{subscription_id}"),
        ("PUT", "/subscriptions/{subscription_id}/confirm"),
    )),
}  # fmt: skip
# Bodies of texts, which are bounded, and have no list.
TEXTS = ["/metering/v2/query/samples"]


def lists(route: Route) -> Iterator[tuple[str, int]]:
    """Names and bounds of the lists in a route's query string."""
    for name, most in wire.fields(route.query).items():
        if most is not None:
            yield name, most


LISTS = [(route, name, most) for route in ROUTES for name, most in lists(route)]


def operation(route: Route) -> Any:
    return DOCUMENT["paths"][route.path][route.method.lower()]


def resolved(schema: Any) -> Any:
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def arrays(schema: Any, depth: int = 2) -> Iterator[Any]:
    """The lists at the top of a body's schema and one level below; what is further in is bounded by the size of a body."""
    schema = resolved(schema)
    for each in map(resolved, schema.get("anyOf", [schema])):
        if each.get("type") == "array":
            yield each
        elif depth > 1:
            for inner in each.get("properties", {}).values():
                yield from arrays(inner, depth - 1)


@pytest.mark.promise("N7")
def test_the_document_tells_a_bound_for_every_list():
    for route in ROUTES:
        told = {each["name"]: each["schema"] for each in operation(route)["parameters"] if each["in"] == "query"}
        assert {name for name, schema in told.items() if schema.get("type") == "array"} == {name for name, _ in lists(route)}
        for name, most in lists(route):
            assert told[name]["maxItems"] == most <= 200
        if route.body is not None:
            (content,) = operation(route)["requestBody"]["content"].values()
            schema = content["schema"]
            found = list(arrays(schema))
            if (route.method, route.path) in OBJECTS:
                assert not found
                continue
            if route.path in TEXTS:
                texts = [
                    each for kind in resolved(schema)["properties"].values() for each in kind["anyOf"] if each["type"] == "string"
                ]
                assert texts
                assert all(each["maxLength"] <= 65_536 for each in texts)
                assert not found
                continue
            assert found, route.path
            assert all(each["maxItems"] <= 10_000 for each in found)
            assert (route.method, route.path) in BODIES, "a new body needs a row in BODIES"


@pytest.mark.promise("N7")
def test_twin_a_list_without_a_bound_is_no_query():
    class Unbounded(msgspec.Struct):
        names: list[str] = []

    with pytest.raises(TypeError, match="no bound"):
        wire.fields(Unbounded)


def path(route: Route) -> str:
    return re.sub("{.*?}", "x", route.path)


@pytest.mark.promise("N7")
@pytest.mark.any_engine
@pytest.mark.parametrize(("route", "name", "most"), LISTS, ids=[f"{route.path} {name}" for route, name, _ in LISTS])
def test_too_many_are_refused_and_counted(service, route, name, most):
    for many in (most + 1, 3_000):
        answer = service.client.request(route.method, path(route), params={name: [f"a{n}" for n in range(many)]}, headers=ADMIN)
        assert answer.status_code == 400
        assert f"{name}: {many:,} items were given; it takes {most:,} at most" in answer.text


@pytest.mark.promise("N7")
@pytest.mark.any_engine
@pytest.mark.parametrize(
    "route", [route for route in ROUTES if (route.method, route.path) in BODIES], ids=lambda route: f"{route.method} {route.path}"
)
def test_bodies_of_too_many_are_refused_and_counted(service, route):
    name, make = BODIES[route.method, route.path]
    (media, content), *_ = operation(route)["requestBody"]["content"].items()
    most = max(each["maxItems"] for each in arrays(content["schema"]))
    body = json.dumps(make(most + 1), separators=(",", ":"))
    answer = service.client.request(route.method, path(route), content=body, headers={**ADMIN, "Content-Type": media})
    assert answer.status_code == 400, answer.text
    assert f"{name}: {most + 1:,} items were given; it takes {most:,} at most" in answer.text


@pytest.mark.promise("N7")
@pytest.mark.any_engine
def test_a_question_that_is_too_long_is_refused(service: Service):
    for url in ("/rating/v2/summary", "/events/v2/events"):
        asked = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
        asked.request("GET", f"{url}?limit={'1' * 65_536}", headers=ADMIN)
        assert asked.getresponse().status in (400, 414, 431)
        asked.close()
    filters = ",".join(f"k{n}:v" for n in range(100))
    answer = service.get("/v2/summary", "t-member-a", filters=filters)
    assert answer.status_code == 400
    assert answer.json()["message"] == "filters: 100 keys were given; it takes 31 at most"
    assert service.get("/v2/summary", "t-member-a", filters=",".join(f"k{n}:v" for n in range(31))).status_code == 200
    most = {"q.field": [f"k{n}" for n in range(62)], "q.value": ["v"] * 62}
    assert service.client.get("/events/v2/events", params=most, headers={"X-Auth-Token": "t-member-a"}).status_code == 200


# -- bodies of wrong items ---------------------------------------------------------------------------------------------


@pytest.mark.promise("N7")
@pytest.mark.any_engine
def test_a_body_of_wrong_events_is_answered_at_once_and_logged_in_one_line(place, event_place, tokens):
    wrong = {"message_id": "m", "event_type": "t", "generated": "2026-01-01T00:00:00", "traits": [["n", 2, 2**70]], "raw": "x" * 60}
    with serving(url_of(place), events=url_of(event_place), auth="tokens", token_file=tokens) as service:
        for url in ("/events/v1/ceilometer/events", "/events/v1/notifications"):
            answer = service.client.post(url, json=[5] * 5_000 + [wrong] * 1_000, headers=ADMIN)
            assert answer.status_code == 400
            told = answer.json()["error_message"]["faultstring"]
            assert re.match(r"[56],000 events refused, (0|1,000) stored: \[0\] ", told)
            assert re.search(r"; and [45],980 more$", told)
            assert len(answer.content) < 10_000
        service.process.terminate()
        log = service.log()
    lines = [line for line in log.splitlines() if "refused: " in line]
    assert len(lines) == 2, log
    assert "Traceback" not in log
    assert len(log) < 5_000


# -- sixteen at once ---------------------------------------------------------------------------------------------------

DEAR = [
    ("groupby", ",".join(f"k{n}" for n in range(1_500))),
    ("filters", ",".join(f"k{n}:v" for n in range(3_000))),
    ("custom_fields", ",".join(f"MEAN(qty) AS a{n}" for n in range(1_500))),
]
# Bytes that a process may hold more, and seconds below which a machine that is busy makes p99 what it is.
GROWN, FLOOR = 20 * 2**20, 0.5


def resident(service: Service) -> int:
    """Bytes that the processes of the service hold."""
    texts = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in service.pids()]
    return sum(int(text.partition("VmRSS:")[2].split()[0]) for text in texts) * 1024


@pytest.mark.promise("N7")
@pytest.mark.chaos
@pytest.mark.any_engine
@pytest.mark.parametrize("program", ["undercroft.cli.main", "tests.api.unbounded"], ids=["", "twin: without bounds"])
def test_sixteen_dear_questions_cost_nobody_else(place, tokens, program, figure, record):
    rounds = figure(2, 20)
    dear_paths = [f"/rating/v2/summary?{urllib.parse.urlencode([pair])}" for pair in DEAR]
    with serving(url_of(place), program=program, auth="tokens", token_file=tokens) as service:
        assert service.push(*(frame("b", hour=hour) for hour in range(48)), token="t-admin").status_code == 204

        def asked(count: int, until: concurrent.futures.Future[Any] | None = None) -> float:
            """The slowest but one of a hundred, in seconds, of another project's sums."""
            took: list[float] = []
            while len(took) < count or (until is not None and not until.done()):
                start = time.monotonic()
                answer = service.get("/v2/summary", "t-member-b", begin="2026-11-01", end="2026-12-01")
                took.append(time.monotonic() - start if answer.status_code == 200 else 60.0)
            return sorted(took)[-1 - len(took) // 100]

        def dear(number: int) -> set[int]:
            path = dear_paths[number % len(DEAR)]
            # What asks is light: it shares a processor, and its interpreter, with what is measured.
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)) as connection:
                found = set()
                for _ in range(rounds):
                    connection.request("GET", path, headers={"X-Auth-Token": "t-member-a"})
                    answer = connection.getresponse()
                    answer.read()
                    found.add(answer.status)
            return found

        with concurrent.futures.ThreadPoolExecutor(17) as pool:
            # Threads and connections that sixteen at once need are there before memory is measured.
            list(pool.map(asked, [20] * 16))
            quiet, before = asked(200), resident(service)
            attack = [pool.submit(dear, number) for number in range(16)]
            attacked = asked(50, attack[-1])
            statuses = set[int]().union(*(each.result() for each in attack))
        grown = resident(service) - before
        record(
            asked=16 * rounds, statuses=sorted(statuses), p99=f"{quiet * 1000:.0f} ms -> {attacked * 1000:.0f} ms",
            grown=f"{grown / 2**20:.0f} MiB",
        )  # fmt: skip
    holds = statuses == {400} and grown <= GROWN and attacked <= max(3 * quiet, FLOOR)
    assert holds == (program == "undercroft.cli.main")
