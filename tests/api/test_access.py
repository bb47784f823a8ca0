"""Who may ask for what: made from the table of routes, so that a new route without a row fails."""

from __future__ import annotations

import base64
import itertools
import re
from typing import Any

import pytest

from tests.api.answers import CLIENT
from tests.api.service import Service, frame, serving
from tests.conftest import url_of
from undercroft.api.auth import check_address
from undercroft.api.call import Rule
from undercroft.api.kind import routes
from undercroft.api.routes import Route
from undercroft.core.errors import ConfigInvalid

ROUTES = [route for _, route in routes()]
NOVEMBER = {"begin": "2026-11-01", "end": "2026-12-01"}
EARLIER = {"begin": "2025-01-01T00:00:00Z", "end": "2025-01-01T01:00:00Z"}
ROLES = ["none", "reader", "member", "service", "admin"]
PLACES = ["a", "x"]
OF_SAMPLES: list[dict[str, Any]] = [
    *({"q.field": name, "q.value": "{}"} for name in ("project_id", "project")),
    {"q.field": ["project_id", "project"], "q.value": ["{}", "a"]},
    {"q.field": "project", "q.value": "None"},
    {"q.field": "resource_id", "q.value": "=id:{}"},
    {"q.field": "metadata.flavor", "q.value": "small"},
    {"q.field": "user", "q.value": "u11"},
]
# Bodies of requests about messages that change nothing: the answers of two of them are alike.
PATCHING = {"headers": {"Content-Type": "application/openstack-messaging-v2.0-json-patch"}}
NAMES = ({"path": "=id:{}"}, {"path": "jobs"})
OF_QUEUES: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("GET", ""): [*NAMES],
    ("PUT", ""): [{**each, "json": {"k": 1}} for each in NAMES],
    ("PATCH", ""): [{**each, **PATCHING, "json": [{"op": "remove", "path": "/metadata/nothing"}]} for each in NAMES],
    ("DELETE", ""): [{"path": "=id:{}"}, {"path": "idle"}],
    ("GET", "/stats"): [*NAMES],
    ("POST", "/purge"): [{"path": "=id:{}"}, {"path": "idle", "json": {"resource_types": ["messages"]}}],
    ("POST", "/share"): [{**each, "json": {"paths": []}} for each in NAMES],
    ("POST", "/messages"): [{**each, "json": {"messages": []}} for each in NAMES],
    ("GET", "/messages"): [
        {**each, "params": {"echo": "true", "include_claimed": "true", **more}}
        for each in NAMES for more in ({}, {"marker": "0"}, {"ids": "0000000000000001,0000000000000002,0000000000000003"})
    ],
    ("DELETE", "/messages"): [{"path": "=id:{}", "params": {"pop": 3}}, {"path": "idle", "params": {"ids": "a,b"}}],
    **{(method, "/messages/{message_id}"): [*NAMES] for method in ("GET", "DELETE")},
    ("POST", "/claims"): [{"path": "=id:{}", "json": {}}, {"path": "idle"}],
    **{(method, "/claims/{claim_id}"): [*NAMES] for method in ("GET", "DELETE")},
    ("PATCH", "/claims/{claim_id}"): [{**each, "json": {"ttl": 60, "grace": 60}} for each in NAMES],
    ("GET", "/subscriptions"): [*NAMES],
    ("POST", "/subscriptions"): [{**each, "json": {"subscriber": "{}"}} for each in NAMES],
    **{(method, "/subscriptions/{subscription_id}"): [*NAMES] for method in ("GET", "DELETE")},
    ("PATCH", "/subscriptions/{subscription_id}"): [{**each, "json": {"ttl": 60}} for each in NAMES],
    ("PUT", "/subscriptions/{subscription_id}/confirm"): [{**each, "json": {"confirmed": True}} for each in NAMES],
}  # fmt: skip
OF_MESSAGES: dict[tuple[str, str], list[dict[str, Any]]] = {
    **{(method, f"/messaging{path}"): [{}] for method, path in (
        ("GET", ""), ("GET", "/v2"), ("GET", "/v2/ping"), ("HEAD", "/v2/ping"), ("GET", "/v2/health"),
    )},
    **{
        ("GET", f"/messaging/v2/{name}"): [{"params": each} for each in (
            {}, {"detailed": "true"}, {"name": "id:{}"}, {"kind": "id:{}", "detailed": "true"}, {"marker": "a"},
        )]
        for name in ("queues", "topics")
    },
    ("GET", "/messaging/v2/pools"): [{}, {"params": {"detailed": "true"}}],
    **{(method, "/messaging/v2/pools/{pool_name}"): [{}] for method in ("GET", "DELETE")},
    ("PUT", "/messaging/v2/pools/{pool_name}"): [{"json": {"weight": 1, "uri": "nothing://host"}}],
    ("PATCH", "/messaging/v2/pools/{pool_name}"): [{"json": {"weight": 1}}],
    ("GET", "/messaging/v2/flavors"): [{"params": each} for each in ({}, {"detailed": "true"}, {"marker": "a"})],
    ("GET", "/messaging/v2/flavors/{flavor_name}"): [*NAMES],
    **{(method, "/messaging/v2/flavors/{flavor_name}"): [{"json": {"pool_list": ["p"]}}] for method in ("PUT", "PATCH")},
    ("DELETE", "/messaging/v2/flavors/{flavor_name}"): [{"path": "idle"}],
    **{
        (method, f"/messaging/v2/{one}{rest}"): requests
        for one in ("queues/{queue_name}", "topics/{topic_name}")
        for (method, rest), requests in OF_QUEUES.items()
        if one.startswith("queues") or rest.split("/")[1:2] not in (["claims"], ["share"])
    },
}  # fmt: skip
# For each route: a request that asks for everything the caller may see, and one that asks for project b's. Every route has a row.
ROWS: dict[tuple[str, str], list[dict[str, Any]]] = {
    **OF_MESSAGES,
    ("GET", "/rating"): [{}],
    ("POST", "/rating/v2/dataframes"): [{"json": {"dataframes": [{**frame("a", 0, 0), "period": EARLIER}]}}],
    ("GET", "/rating/v2/dataframes"): [
        {"params": NOVEMBER},
        *({"params": {**NOVEMBER, "filters": f}} for f in ("project_id:{}", "id:{}", "type:{}", "owner:{}", "flavor:small")),
    ],
    ("GET", "/rating/v2/summary"): [
        {"params": {**NOVEMBER, "groupby": "project_id,type,id"}},
        *(
            {"params": {**NOVEMBER, "groupby": "project_id", "filters": f}}
            for f in ("project_id:{}", "id:{}", "project_id:a,project_id:{}")
        ),
        {"params": {**NOVEMBER, "groupby": "project_id", "custom_fields": "COUNT(qty) AS n"}},
    ],
    ("GET", "/rating/v2/scope"): [{"params": {}}, {"params": {"scope_id": "{}"}}],
    **{(method, "/rating/v2/scope"): [{"json": {"scope_id": "{}"}}] for method in ("POST", "PUT", "PATCH")},
    ("GET", "/rating/v1/report/summary"): [
        {"params": {**NOVEMBER, "groupby": "tenant_id,res_type"}},
        {"params": {**NOVEMBER, "groupby": "tenant_id", "tenant_id": "{}"}},
        {"params": {**NOVEMBER, "groupby": "tenant_id", "all_tenants": "true"}},
        {"params": {**NOVEMBER, "groupby": "tenant_id", "service": "{}"}},
    ],
    ("GET", "/rating/v1/report/total"): [
        {"params": NOVEMBER}, {"params": {**NOVEMBER, "tenant_id": "{}"}}, {"params": {**NOVEMBER, "all_tenants": "true"}},
    ],
    ("GET", "/rating/v1/report/tenants"): [{"params": NOVEMBER}],
    ("GET", "/rating/v1/storage/dataframes"): [
        {"params": NOVEMBER}, {"params": {**NOVEMBER, "tenant_id": "{}"}}, {"params": {**NOVEMBER, "resource_type": "{}"}},
    ],
    **{("GET", f"/rating/v1/info/{name}"): [{}] for name in ("metrics", "services", "config", "metrics/{name}", "services/{name}")},
    **{("GET", path): [{}] for path in ("/events", "/events/v2", "/events/v2/capabilities", "/events/v2/event_types")},
    ("GET", "/events/v2/events"): [
        {}, {"params": {"q.field": "project_id", "q.value": "{}"}}, {"params": {"q.field": "all_tenants", "q.value": "true"}},
        {"params": {"q.field": "resource_id", "q.op": "ge", "q.value": ""}}, {"params": {"marker": "=id:{}"}},
        {"params": {"q.field": "message_id", "q.value": "=id:{}"}},
    ],
    ("GET", "/events/v2/events/{message_id}"): [
        {}, {"path": "=id:{}"}, {"path": "=id:{}", "params": {"q.field": "all_tenants", "q.value": "true"}},
        {"path": "=id:{}", "params": {"q.field": "project_id", "q.value": "{}"}},
    ],
    **{
        ("GET", f"/events/v2/event_types/{{event_type}}{rest}"): [{"path": "=type:{}"}]
        for rest in ("", "/traits", "/traits/{name}")
    },
    ("GET", "/events/v1/events"): [
        {}, {"params": {"format": "csv"}}, {"params": {"where": 'project_id = "{}" or resource_id ^= "vm"'}},
        {"params": {"where": 'not project_id = "a"'}}, {"params": {"q.field": "all_tenants", "q.value": "true"}},
    ],
    ("GET", "/events/v1/events/count"): [
        {}, {"params": {"groupby": "event_type"}},
        {"params": {"groupby": ["project_id", "resource_id"], "where": "project_id"}},
    ],
    ("GET", "/events/v1/events/tail"): [
        {"params": {"after": "start", "seconds": 0, "where": where}} for where in ("not nothing", 'project_id = "{}"')
    ],
    ("POST", "/metering/v2/meters/{meter_name}"): [{"json": []}],
    ("POST", "/metering/v1/ceilometer/samples"): [{"json": []}],
    **{("GET", path): [{}] for path in ("/metering", "/metering/v2/capabilities")},
    ("GET", "/metering/v2/meters"): [
        {}, {"params": {"unique": "true"}}, *({"params": each} for each in OF_SAMPLES),
    ],
    **{
        ("GET", f"/metering/v2/meters/{{meter_name}}{rest}"): [
            {"path": "=type:{}"}, {"path": "cpu"}, *({"path": "cpu", "params": each} for each in OF_SAMPLES), *more,
        ]
        for rest, more in (
            ("", []),
            ("/statistics", [
                {"path": "=type:{}", "params": {"groupby": "project_id"}}, {"path": "cpu", "params": {"groupby": "user_id"}},
                {"path": "cpu", "params": {"aggregate.func": "cardinality", "aggregate.param": "project_id"}},
                {"path": "cpu", "params": {"groupby": "resource_metadata.instance_type", "period": 7}},
            ]),
        )
    },
    ("GET", "/metering/v2/samples"): [
        {}, *({"params": each} for each in OF_SAMPLES), {"params": {"q.field": "meter", "q.value": "=type:{}"}},
        {"params": {"q.field": "message_id", "q.value": "event-of-b"}}, {"params": {"limit": 5_000}},
    ],
    ("GET", "/metering/v2/samples/{sample_id}"): [{}, {"path": "=id:{}"}],
    ("GET", "/metering/v2/resources"): [{}, {"params": {"meter_links": "0"}}, *({"params": each} for each in OF_SAMPLES)],
    ("GET", "/metering/v2/resources/{resource_id}"): [{}, {"path": "=id:{}"}, {"path": "vm-1"}],
    ("POST", "/metering/v2/query/samples"): [
        {"json": each} for each in (
            {}, {"limit": 5_000}, {"filter": '{"=": {"project_id": "{}"}}'}, {"filter": '{"not": {"=": {"project": "a"}}}'},
            {"filter": '{"or": [{"=": {"meter": "cpu"}}, {"in": {"project_id": ["a", "{}"]}}]}'},
            {"filter": '{"=~": {"resource_id": "."}}', "orderby": '[{"project_id": "desc"}]'},
            {"filter": '{"=~": {"project": "."}}'}, {"filter": '{"!=": {"metadata.flavor": "x"}}'},
        )
    ],
    ("GET", "/metering/v1/samples"): [
        {}, {"params": {"format": "csv"}}, *({"params": {**each, "format": "csv"}} for each in OF_SAMPLES),
    ],
    ("POST", "/events/v1/ceilometer/events"): [{"json": []}],
    ("POST", "/events/v1/notifications"): [{"json": []}],
}  # fmt: skip
# What tells project b's usage from everything else: its id in texts, its price in numbers.
SECRETS = (b'"b"', b"777.25", b"1554.5", b"1556", b"vm-of-b", b"type-of-b", b"event-of-b")
# What answers repeat of a question.
ECHOED = re.compile(
    rb"(Marker|Event|Sample|Resource|Queue|Topic|Message|Claim|Subscription|Flavor|queue|topic|queues/|topics/) ?vm-of-b"
)
# Routes that tell nothing which the caller did not send.
TELLS_NOTHING = ("POST", "/metering/v2/meters/{meter_name}")
REFUSED = {Rule.ADMIN: 403, Rule.SEGREGATED: 401, Rule.WRITER: 403}
# A project that exists, and has usage, and one that does not: nobody may learn which is which.
OTHERS, MISSING = ("b", "vm-of-b", "type-of-b"), ("c", "vm-of-c", "type-of-c")


def of(given: Any, name: str) -> Any:
    """A request with the other project's name filled in; `id`, `type` and `service` filters get the matching names.

    `=id:{}` becomes that name alone.
    """
    if isinstance(given, dict):
        return {key: of(value, name) for key, value in given.items()}
    if isinstance(given, list):
        return [of(each, name) for each in given]
    if isinstance(given, str):
        bare, given = given.startswith("="), given.removeprefix("=")
        kind = 1 if given.startswith("id:") else 2 if given.startswith("type:") else 0
        filled = given.replace("{}", (OTHERS if name == "other" else MISSING)[kind])
        return filled.partition(":")[2] if bare else filled
    return given


@pytest.fixture(scope="module")
def two_tenants(service: Service, place: Any, messaging_place: Any) -> Service:
    place.opened[0].delete()
    for project in ("a", "b"):
        for name in ("gold", f"vm-of-{project}"):
            messaging_place.opened[0].control_driver.flavors_controller.create(name, project)
    mine, theirs = frame("a", 1, "1.5"), frame("b", 1, "777.25", metric="type-of-b")
    theirs["usage"]["type-of-b"][0]["groupby"]["id"] = "vm-of-b"
    theirs["usage"]["cpu"] = [{**theirs["usage"]["type-of-b"][0], "groupby": {"project_id": "b", "id": "vm-1"}}]
    assert service.push(mine, theirs, token="t-admin").status_code == 204
    events = [
        {
            "message_id": message_id,
            "event_type": type_,
            "generated": "2026-11-01T00:00:00",
            "traits": [["project_id", 1, project], ["user_id", 1, user], ["resource_id", 1, resource]],
        }
        for message_id, type_, project, user, resource in [
            *((f"event-of-a-{n}", "type-1.5", "a", f"u{n}", "vm-1") for n in (1, 2, 3, 4)),
            ("vm-of-b", "type-of-b", "b", "u11", "event-of-b"),
        ]
    ]
    sent = service.client.post("/events/v1/ceilometer/events", json=events, headers={"X-Auth-Token": "t-admin"})
    assert sent.json() == {"accepted": 5, "duplicates": 0}
    samples = [
        {
            "name": meter, "type": "gauge", "unit": "%", "volume": volume, "user_id": user, "project_id": project, "id": message_id,
            "resource_id": resource, "resource_metadata": {"flavor": "small", "instance_type": meter}, "source": "openstack",
            "timestamp": "2026-11-01T00:00:00",
        }
        for message_id, meter, project, user, resource, volume in (
            ("sample-of-a", "cpu", "a", "u1", "vm-1", 1.5), ("vm-of-b", "type-of-b", "b", "u11", "vm-of-b", 777.25),
            ("event-of-b", "cpu", "b", "u11", "vm-of-b", 777.25), ("both", "cpu", "b", "u11", "vm-1", 777.25),
        )
    ]  # fmt: skip
    sent = service.client.post("/metering/v1/ceilometer/samples", json=samples, headers={"X-Auth-Token": "t-admin"})
    assert sent.json() == {"accepted": 4, "duplicates": 0}
    for project, body in (("a", "1.5"), ("b", "event-of-b")):
        headers = {"X-Auth-Token": f"t-admin-{project}", **CLIENT}
        for path in (f"{base}/{name}" for base in ("queues", "topics") for name in ("jobs", f"vm-of-{project}")):
            url = f"/messaging/v2/{path}"
            assert service.client.put(url, json={"kind": f"vm-of-{project}"}, headers=headers).status_code == 201
            sent = service.client.post(f"{url}/messages", json={"messages": [{"body": body}] * 3}, headers=headers)
            assert sent.status_code == 201
            subscriber = {"subscriber": f"http://type-of-{project}.example"}
            assert service.client.post(f"{url}/subscriptions", json=subscriber, headers=headers).status_code == 201
    return service


def ask(service: Service, route: Route, request: dict[str, Any], token: str | None) -> Any:
    given = dict(request)
    last = given.pop("path", "vm-of-b")
    path = re.sub("{.*?}", last, route.path.replace("{name}", "cpu"))
    headers = {**CLIENT, **({"X-Auth-Token": token} if token else {}), **given.pop("headers", {})}
    return service.client.request(route.method, path, headers=headers, **given)


def forget(service: Service) -> None:
    """Delete the queues that another test has had made under the names of other projects'."""
    for project, base, name in itertools.product(PLACES, ("queues", "topics"), (OTHERS[1], MISSING[1])):
        if project != "b":
            headers = {"X-Auth-Token": f"t-admin-{project}", **CLIENT}
            assert service.client.delete(f"/messaging/v2/{base}/{name}", headers=headers).status_code in (204, 400)


@pytest.mark.promise("S1")
def test_every_route_has_a_row():
    assert set(ROWS) == {(route.method, route.path) for route in ROUTES}


def opened(content: bytes) -> bytes:
    """An answer without what differs between two of the same question.

    Those are ages, and the cursors of server-sent events, which are sealed for their question.
    """
    return re.sub(rb'"age":\d+', b"", re.sub(rb"^id: [\w-]+$", b"id:", content, flags=re.MULTILINE))


@pytest.mark.promise("S1")
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_nobody_sees_another_project(two_tenants, route):
    forget(two_tenants)
    for role in ROLES:
        for project in PLACES:
            for request in ROWS[route.method, route.path]:
                token = f"t-{role}-{project}"
                others, missing = (ask(two_tenants, route, of(request, name), token) for name in ("other", "missing"))
                may = role == "admin" or route.rule not in REFUSED or (route.rule is Rule.WRITER and role == "service")
                if not may:
                    assert others.status_code == missing.status_code == REFUSED[route.rule]
                elif role == "admin" or not re.search(rb"Not Authorized to (access project|select projects) ", others.content):
                    assert others.status_code != 401
                if role != "admin":
                    assert others.status_code == missing.status_code
                    as_others = missing.content.replace(b"-of-c", b"-of-b").replace(b"access project c", b"access project b")
                    assert opened(others.content) == opened(as_others)
                    # What was asked for may be told again; the number of a port may look like a secret.
                    content = ECHOED.sub(b"", others.content).replace(two_tenants.url.encode(), b"")
                    for secret in SECRETS:
                        assert secret not in content, (token, request)
                    if project == "x" and route.rule is Rule.PROJECT:
                        assert b"1.5" not in others.content


@pytest.mark.promise("S1")
@pytest.mark.parametrize("route", [r for r in ROUTES if r.rule is not Rule.OPEN], ids=lambda route: f"{route.method} {route.path}")
def test_nobody_asks_without_a_token(two_tenants, route):
    for token in (None, "wrong", "t-admi", "t-admin "[:-1] + "x"):
        answer = ask(two_tenants, route, of(ROWS[route.method, route.path][0], "other"), token)
        assert answer.status_code == 401
        assert "www-authenticate" in answer.headers


@pytest.mark.promise("S1")
def test_twin_an_admin_sees_what_the_matrix_looks_for(two_tenants):
    """The secrets are there to be seen: without the rule, the matrix would find them."""
    seeing = [route for route in ROUTES if route.rule in (Rule.PROJECT, Rule.SCOPED)]
    for route in [route for route in seeing if (route.method, route.path) != TELLS_NOTHING]:
        token = "t-admin-b" if route.rule is Rule.SCOPED else "t-admin-x"
        requests = [of(request, "other") for request in ROWS[route.method, route.path]]
        seen = b"".join(ask(two_tenants, route, request, token).content for request in requests)
        assert any(secret in seen for secret in SECRETS), route.path


@pytest.mark.promise("S1")
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_an_admin_without_a_project_is_refused_nothing(two_tenants, route):
    for request in ROWS[route.method, route.path]:
        for name in ("other", "missing"):
            assert ask(two_tenants, route, of(request, name), "t-global").status_code not in (401, 403)


@pytest.mark.promise("S1")
def test_an_admin_sees_other_projects_where_asked_for(two_tenants):
    def ids(token: str, **params: str) -> Any:
        found = two_tenants.client.get("/events/v2/events", params=params, headers={"X-Auth-Token": token})
        assert found.status_code == 200, found.text
        return {event["message_id"] for event in found.json()}

    def one(token: str, **params: str) -> int:
        path = "/events/v2/events/vm-of-b"
        return int(two_tenants.client.get(path, params=params, headers={"X-Auth-Token": token}).status_code)

    everybody = {"q.field": "all_tenants", "q.value": "true"}
    own = {f"event-of-a-{n}" for n in (1, 2, 3, 4)}
    assert ids("t-global") == ids("t-global", **everybody) == ids("t-admin-a", **everybody) == {*own, "vm-of-b"}
    assert ids("t-admin-a") == own
    # By its id as in lists: the own project's, unless all are asked for.
    assert [one("t-global"), one("t-admin-a"), one("t-admin-a", **everybody), one("t-admin-b")] == [200, 404, 200, 200]
    assert [one("t-member-a"), one("t-member-a", **everybody)] == [404, 404]
    types = two_tenants.client.get("/events/v2/event_types", headers={"X-Auth-Token": "t-global"})
    assert types.json() == ["type-1.5", "type-of-b"]


@pytest.mark.promise("S1")
def test_a_resource_of_two_projects_shows_each_its_own(two_tenants):
    """Its links and times, too."""
    ask_for = {"json": [{
        "counter_name": "mine", "counter_type": "gauge", "counter_unit": "", "counter_volume": 1, "resource_id": "shared",
        "timestamp": "2026-11-02T00:00:00",
    }]}  # fmt: skip
    other = {"json": [{**ask_for["json"][0], "counter_name": "theirs", "timestamp": "2026-11-03T00:00:00"}]}
    for name, token, given in (("mine", "t-member-a", ask_for), ("theirs", "t-member-b", other)):
        sent = two_tenants.client.post(f"/metering/v2/meters/{name}", headers={"X-Auth-Token": token}, **given)
        assert sent.status_code == 201, sent.text
    for token, day, meters in (
        ("t-member-a", "2", {"mine"}), ("t-member-b", "3", {"theirs"}), ("t-admin-a", "3", {"mine", "theirs"}),
    ):  # fmt: skip
        answer = two_tenants.client.get("/metering/v2/resources/shared", headers={"X-Auth-Token": token}).json()
        assert answer["last_sample_timestamp"] == f"2026-11-0{day}T00:00:00"
        assert {link["rel"] for link in answer["links"]} == {"self", *meters}
    foreign = {"json": [{**ask_for["json"][0], "project_id": "b"}]}
    for token, status in (("t-member-a", 400), ("t-member-x", 403), ("t-admin-a", 201)):
        sent = two_tenants.client.post("/metering/v2/meters/mine", headers={"X-Auth-Token": token}, **foreign)
        assert sent.status_code == status, sent.text


def test_the_own_project_is_seen(two_tenants):
    for role in ("none", "reader", "member", "service"):
        found = two_tenants.get("/v2/dataframes", f"t-{role}-a", **NOVEMBER).json()
        assert found["total"] == 1
        assert two_tenants.get("/v1/report/total", f"t-{role}-a", **NOVEMBER).json() == "1.5"


def test_a_token_comes_in_three_ways(two_tenants):
    basic = base64.b64encode(b"anybody:t-admin").decode()
    for headers in ({"X-Auth-Token": "t-admin"}, {"Authorization": "Bearer t-admin"}, {"Authorization": f"Basic {basic}"}):
        assert two_tenants.client.get("/rating/v2/scope", headers=headers).status_code == 200
    for headers in ({"Authorization": "Basic !!"}, {"Authorization": "Digest x"}, {"Authorization": "Bearer"}):
        assert two_tenants.client.get("/rating/v2/scope", headers=headers).status_code == 401


def test_identity_headers_count_without_access_control(place):
    with serving(url_of(place)) as open_:
        assert open_.get("/v2/summary").status_code == 200
        assert open_.client.get("/rating/v2/scope", headers={"X-Roles": "member,reader", "X-Project-Id": "a"}).status_code == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_no_service_for_everybody_without_access_control(host):
    with pytest.raises(ConfigInvalid, match="refusing to listen"):
        check_address("none", host)
    check_address("tokens", host)


@pytest.mark.parametrize("lines", ["", "# none\n", "token project user\n", "- p u admin\n", "a b c d e\n"])
def test_a_wrong_file_of_tokens_is_refused(tmp_path, lines):
    from undercroft.api.auth import Tokens

    file = tmp_path / "tokens"
    file.write_text(lines)
    with pytest.raises(ConfigInvalid) as caught:
        Tokens(str(file))
    assert "token project user\n" not in str(caught.value)
