"""Walks over the service that schemathesis makes: an answer leads to the next request. And lists of thousands of names."""

from __future__ import annotations

import copy
import http.client
import json
import os
import urllib.parse
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.checks import not_a_server_error

from tests.api.answers import CLIENT
from tests.api.service import Service
from undercroft.api import openapi, wire
from undercroft.api.kind import routes
from undercroft.api.routes import Route

pytestmark = [pytest.mark.promise("N7"), pytest.mark.promise("S6")]

LONG = os.environ.get("UCTEST_CHAOS") == "full" or bool(os.environ.get("UCTEST_WHOLE"))
for media in {media for _, route in routes() for media in route.body_media}:
    # JSON under another name.
    schemathesis.serializer.alias(media, "application/json")
SCHEMA: Any = schemathesis.openapi.from_dict(json.loads(json.dumps(openapi.document())))
HEADERS = {"X-Auth-Token": "t-admin", **CLIENT}
ROUTES = [route for _, route in routes() if any(most is not None for most in wire.fields(route.query).values())]
EVENTS, TYPES = "/events/v2/events", "/events/v2/event_types"
SAMPLES, METERS, RESOURCES = (f"/metering/v2/{name}" for name in ("samples", "meters", "resources"))
QUEUE = "/messaging/v2/queues/{queue_name}"
SAME = {"queue_name": "$request.path.queue_name"}
# From a route's answer to the next request: its route, and what is taken along.
LINKS: list[tuple[str, str, int, str, str, dict[str, str]]] = [
    ("POST", "/events/v1/ceilometer/events", 200, "GET", EVENTS, {}),
    ("POST", "/events/v1/notifications", 200, "GET", TYPES, {}),
    ("POST", "/rating/v2/dataframes", 204, "GET", "/rating/v2/dataframes", {}),
    ("POST", "/rating/v2/dataframes", 204, "GET", "/rating/v2/summary", {}),
    ("POST", "/rating/v2/dataframes", 204, "GET", "/rating/v1/storage/dataframes", {}),
    ("GET", EVENTS, 200, "GET", f"{EVENTS}/{{message_id}}", {"message_id": "$response.body#/0/message_id"}),
    ("GET", EVENTS, 200, "GET", EVENTS, {"marker": "$response.body#/0/message_id"}),
    ("GET", TYPES, 200, "GET", f"{TYPES}/{{event_type}}/traits", {"event_type": "$response.body#/0"}),
    (
        "GET", f"{TYPES}/{{event_type}}/traits", 200, "GET", f"{TYPES}/{{event_type}}/traits/{{name}}",
        {"event_type": "$request.path.event_type", "name": "$response.body#/0/name"},
    ),
    ("POST", "/metering/v1/ceilometer/samples", 200, "GET", SAMPLES, {}),
    ("POST", f"{METERS}/{{meter_name}}", 201, "GET", f"{METERS}/{{meter_name}}", {"meter_name": "$request.path.meter_name"}),
    ("GET", SAMPLES, 200, "GET", f"{SAMPLES}/{{sample_id}}", {"sample_id": "$response.body#/0/id"}),
    ("GET", METERS, 200, "GET", f"{METERS}/{{meter_name}}/statistics", {"meter_name": "$response.body#/0/name"}),
    ("GET", RESOURCES, 200, "GET", f"{RESOURCES}/{{resource_id}}", {"resource_id": "$response.body#/0/resource_id"}),
    ("PUT", QUEUE, 201, "POST", f"{QUEUE}/messages", SAME),
    ("POST", f"{QUEUE}/messages", 201, "GET", f"{QUEUE}/messages", SAME),
    ("POST", f"{QUEUE}/messages", 201, "POST", f"{QUEUE}/claims", SAME),
    ("POST", f"{QUEUE}/messages", 201, "DELETE", f"{QUEUE}/messages", SAME),
    (
        "POST", f"{QUEUE}/claims", 201, "DELETE", f"{QUEUE}/messages/{{message_id}}",
        {**SAME, "message_id": "$response.body#/messages/0/id"},
    ),
    (
        "POST", f"{QUEUE}/subscriptions", 201, "PATCH", f"{QUEUE}/subscriptions/{{subscription_id}}",
        {**SAME, "subscription_id": "$response.body#/subscription_id"},
    ),
    ("GET", "/messaging/v2/queues", 200, "GET", f"{QUEUE}/stats", {"queue_name": "$response.body#/queues/0/name"}),
    (
        "GET", "/messaging/v2/flavors", 200, "GET", "/messaging/v2/flavors/{flavor_name}",
        {"flavor_name": "$response.body#/flavors/0/name"},
    ),
    ("GET", "/rating/v2/scope", 200, "GET", "/rating/v2/scope", {"scope_id": "$response.body#/results/0/scope_id"}),
]  # fmt: skip


def linked() -> Any:
    """The OpenAPI document with these links."""
    document = copy.deepcopy(json.loads(json.dumps(openapi.document())))
    for number, (method, path, status, next_method, next_path, parameters) in enumerate(LINKS):
        answer = document["paths"][path][method.lower()]["responses"][str(status)]
        target = document["paths"][next_path][next_method.lower()]["operationId"]
        answer.setdefault("links", {})[f"link{number}"] = {"operationId": target, "parameters": parameters}
    return document


def check(context: Any, response: Any, case: Any) -> None:
    """No failure of the service; 501 is where a route says that it cannot."""
    if response.status_code != 501:
        not_a_server_error(context, response, case)


@pytest.mark.one_per_family
def test_walks_never_make_the_service_fail(service: Service, record: Any) -> None:
    steps = 0
    machine: Any = schemathesis.openapi.from_dict(linked()).as_state_machine()

    class Walk(machine):  # type: ignore[misc]
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            nonlocal steps
            steps += 1
            # A tail goes on for as long as it may.
            if case.path.endswith("/tail"):
                case.query = {**(case.query or {}), "seconds": 0}
            return {"base_url": service.url, "headers": {**(case.headers or {}), **HEADERS}}

        def validate_response(self, response: Any, case: Any, *_given: Any, **_more: Any) -> None:
            case.validate_response(response, checks=[check])

    examples, length = (150, 20) if LONG else (8, 6)
    walking = settings(
        max_examples=examples, stateful_step_count=length, deadline=None, database=None, derandomize=True,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(Walk, settings=walking)
    record(walks=examples, requests=steps, failures=0)
    assert steps >= examples


@pytest.mark.any_engine
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_lists_of_thousands_are_refused(service: Service, route: Route) -> None:
    operation = SCHEMA[route.path][route.method]
    lists = {name: most for name, most in wire.fields(route.query).items() if most is not None}
    texts = st.sampled_from(["a", "a:b", "SUM(qty) AS n{}", "k{}:v", "k{}", "all_tenants", "generated:asc", "é{}", "true", "="])
    long_list = st.builds(lambda text, many: [text.format(n) for n in range(many)], texts, st.integers(200, 4_000))

    @given(case=operation.as_strategy(), name=st.sampled_from(sorted(lists)), items=long_list)
    @settings(
        max_examples=60 if LONG else 4, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask(case: Any, name: str, items: list[str]) -> None:
        if len(items) > lists[name]:
            query = urllib.parse.urlencode({**(case.query or {}), name: items}, doseq=True, errors="replace")
            # Another client would refuse to send that much.
            asked = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
            path = urllib.parse.quote(case.formatted_path, safe="/%")
            asked.request(route.method, f"{path}?{query}", headers=HEADERS)
            answer = asked.getresponse()
            assert answer.status in (400, 414, 431), answer.read()
            asked.close()

    ask()
