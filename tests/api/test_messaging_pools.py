"""Pools and flavors over HTTP."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.messages import Client, refused
from tests.api.service import Service, serving
from tests.conftest import url_of
from undercroft.conformance.plugin import Opener
from undercroft.messaging.drivers.sql import DataDriver

pytestmark = pytest.mark.kind("messaging")
LIMITS, BODY, PARAMETER = "Invalid API request", "Invalid request body", "Invalid parameter"
OURS = ["FIFO", "CLAIMS", "DURABILITY", "AOD", "HIGH_THROUGHPUT"]
SETTINGS = {"admin_mode": "true", "pooling": "true", "enable_virtual_pool": "true"}
MEMBER = {"X-Roles": "member"}


@pytest.fixture(scope="module")
def service(place: Opener) -> Iterator[Service]:
    """A service for operators, without access control."""
    with serving(None, messaging=url_of(place), messaging_settings=SETTINGS) as found:
        yield found


@pytest.fixture
def own(service: Service, place: Opener) -> Client:
    """A client, where no pool and no flavor is registered."""
    control = place.opened[0].control_driver
    control.pools_controller.drop_all()
    control.flavors_controller.drop_all()
    control.catalogue_controller.drop_all()
    return Client(service)


@pytest.fixture
def uri(tmp_path: pathlib.Path) -> Any:
    """Makes URIs of stores that there are not yet."""
    return lambda name: f"sqlite:///{tmp_path}/{name}.db"


def put(own: Client, uri: Any, name: str, **more: Any) -> dict[str, Any]:
    """Register a pool; what it is then."""
    pool = {"weight": 10, "uri": uri(name), **more}
    assert own.ask("PUT", f"/pools/{name}", pool).status_code == 201
    return {"flavor": None, **pool, "name": name, "href": f"/v2/pools/{name}"}


def test_a_pool_is_registered_and_given(own, uri):
    answer = own.ask("PUT", "/pools/p-1.a", {"weight": 100, "uri": uri("a"), "options": {"k": [1]}})
    assert (answer.status_code, answer.content, answer.headers["location"]) == (201, b"", "/v2/pools/p-1.a")
    pool = {"name": "p-1.a", "href": "/v2/pools/p-1.a", "uri": uri("a"), "weight": 100, "flavor": None}
    assert own.get("/pools/p-1.a") == own.get("/pools/p-1.a", detailed="false") == pool
    assert own.get("/pools/p-1.a", detailed="true") == {**pool, "options": {"k": [1]}}
    assert own.ask("PUT", "/pools/p-1.a", {"weight": 0, "uri": uri("b"), "flavor": "gold"}).status_code == 201
    assert own.get("/pools/p-1.a", detailed="true") == {**pool, "uri": uri("b"), "weight": 0, "flavor": "gold", "options": {}}
    assert refused(own.ask("GET", "/pools/other"), 404, "Not found") == "Pool other does not exist"


def test_the_store_of_a_pool_is_ready_when_it_is_registered(own, uri):
    put(own, uri, "a")
    with_data = DataDriver.open(uri("a"))
    assert with_data.message_controller.post("q", [{"ttl": 60, "body": 1}], None)
    with_data.close()


def test_pools_are_listed_by_name(own, uri):
    assert own.get("/pools") == {"pools": [], "links": []}
    wanted = [put(own, uri, name) for name in ("a", "b", "c")]
    found = own.get("/pools")
    assert found["pools"] == wanted
    assert found["links"] == [{"rel": "next", "href": "/v2/pools?marker=c"}]
    page = own.get("/pools", limit=2, detailed="true")
    assert page["pools"] == [{**each, "options": {}} for each in wanted[:2]]
    assert page["links"] == [{"rel": "next", "href": "/v2/pools?limit=2&detailed=true&marker=b"}]
    assert [each["name"] for each in own.get(page["links"][0]["href"])["pools"]] == ["c"]
    assert own.get("/pools", marker="c") == {"pools": [], "links": []}


@pytest.mark.parametrize("limit", ["0", "21", "-1", "x"])
def test_a_page_has_bounds(own, limit):
    for path in ("/pools", "/flavors"):
        refused(own.ask("GET", path, limit=limit), 400, PARAMETER if limit == "x" else LIMITS)


def test_fields_of_a_pool_are_changed(own, uri):
    pool = put(own, uri, "a", flavor="gold")
    assert own.ask("PATCH", "/pools/a", {"weight": 7}).json() == {**pool, "weight": 7}
    changes = {"weight": 8, "uri": uri("b"), "options": {"k": 1}, "flavor": ""}
    answer = own.ask("PATCH", "/pools/a", changes)
    assert (answer.status_code, answer.json()) == (200, {**pool, "weight": 8, "uri": uri("b"), "flavor": None})
    assert own.get("/pools/a", detailed="true")["options"] == {"k": 1}
    assert refused(own.ask("PATCH", "/pools/other", {"weight": 7}), 404, "Not found")
    assert "nothing to change" in refused(own.ask("PATCH", "/pools/a", {}), 400, BODY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"weight": -1}, {"weight": 2**32}, {"weight": "1"}, {"weight": True}, {"uri": ""}, {"uri": "sqlite:///" + "x" * 246},
        {"uri": 1}, {"flavor": "f" * 256}, {"options": []}, {"options": {"k": 2**63}}, {"unknown": 1},
    ],
)  # fmt: skip
def test_bad_pools_are_refused(own, uri, wrong):
    put(own, uri, "a")
    before = own.get("/pools", detailed="true")
    refused(own.ask("PUT", "/pools/b", {"weight": 1, "uri": uri("b"), **wrong}), 400, BODY)
    refused(own.ask("PATCH", "/pools/a", wrong), 400, BODY)
    assert own.get("/pools", detailed="true") == before


def test_a_pool_needs_its_uri_and_its_weight(own, uri):
    for body in ({"weight": 1}, {"uri": uri("a")}, {}):
        assert refused(own.ask("PUT", "/pools/a", body), 400, BODY)


@pytest.mark.parametrize("name", ["x" * 65, "a%20b", "%C3%A9"])
def test_names_that_pools_and_flavors_cannot_have(own, uri, name):
    refused(own.ask("PUT", f"/pools/{name}", {"weight": 1, "uri": uri("a")}), 400, LIMITS)
    refused(own.ask("PUT", f"/flavors/{name}", {"pool_list": ["a"]}), 400, LIMITS)
    refused(own.ask("PUT", "/flavors/f", {"pool_list": [name]}), 400, LIMITS)


@pytest.mark.parametrize(
    "uri_", ["nothing://u:hunter2@host", "no scheme", "postgresql://u:hunter2@127.0.0.1:1/db", "redis://:hunter2@127.0.0.1:1",
             "sqlite:///{}/a.db?hunter2=1", "sqlite:////dev/null/a.db"],
)  # fmt: skip
@pytest.mark.promise("S7")
def test_a_store_that_does_not_answer_is_no_pool(own, uri, tmp_path, uri_):
    put(own, uri, "a")
    wrong = uri_.format(tmp_path)
    for answer in (own.ask("PUT", "/pools/b", {"weight": 1, "uri": wrong}), own.ask("PATCH", "/pools/a", {"uri": wrong})):
        text = refused(answer, 400, BODY)
        assert text.startswith("uri: cannot connect")
        assert ":hunter2" not in text
    assert [each["uri"] for each in own.get("/pools")["pools"]] == [uri("a")]


def test_no_two_pools_have_one_uri(own, uri):
    put(own, uri, "a")
    put(own, uri, "b")
    for method in ("PUT", "PATCH"):
        refused(own.ask(method, "/pools/b", {"weight": 1, "uri": uri("a")}), 409, "Resource conflict")
    assert own.get("/pools/b")["uri"] == uri("b")


def test_pools_are_deleted_but_for_the_last_of_a_flavor(own, uri):
    for name in ("a", "b", "c"):
        put(own, uri, name)
    assert own.ask("PUT", "/flavors/gold", {"pool_list": ["a", "b"]}).status_code == 201
    assert [own.ask("DELETE", f"/pools/{name}").status_code for name in ("a", "a", "c", "unknown")] == [204] * 4
    assert "flavor gold" in refused(own.ask("DELETE", "/pools/b"), 403, "Unable to delete")
    assert own.ask("DELETE", "/flavors/gold").status_code == 204
    assert own.get("/pools/b")["flavor"] is None
    assert own.ask("DELETE", "/pools/b").status_code == 204
    assert own.get("/pools")["pools"] == []


@pytest.mark.promise("S7")
def test_no_log_and_no_answer_but_that_of_the_register_has_a_password(place):
    away = "postgresql://u:hunter2@127.0.0.1:1/db?sslpassword=hunter3"
    register = place.opened[0].control_driver.pools_controller
    with serving(None, messaging=url_of(place), messaging_settings=SETTINGS, program="tests.api.talkative") as service:
        register.drop_all()
        client = Client(service)
        said = [client.ask("PUT", "/pools/away", {"weight": 1, "uri": away}).text]
        register.create("away", 1, away)
        for method, path, body in (
            ("PUT", "/queues/q", {}), ("POST", "/queues/q/messages", {"messages": [{"body": 1}]}), ("GET", "/queues/q/stats", None),
            ("GET", "/health", None), ("GET", "/queues", None), ("PUT", "/flavors/f", {"pool_list": ["away"]}),
            ("GET", "/flavors", None),
        ):  # fmt: skip
            said.append(client.ask(method, path, body).text)
        said.append(service.client.get("/metrics").text)
        shown = client.ask("GET", "/pools").text
        service.kill()
        log = (pathlib.Path(service._folder.name) / "log").read_text() + service.log()
        register.drop_all()
    assert "hunter2" in shown
    assert "away" in log
    for text in (*said, log):
        assert "hunter" not in text


# -- flavors -----------------------------------------------------------------------------------------------------------


def test_a_flavor_is_made_of_pools(own, uri):
    for name in ("a", "b", "c"):
        put(own, uri, name)
    answer = own.ask("PUT", "/flavors/gold", {"pool_list": ["b", "a", "b"]})
    assert (answer.status_code, answer.content, answer.headers["location"]) == (201, b"", "/v2/flavors/gold")
    gold = {"name": "gold", "href": "/v2/flavors/gold", "pool_list": ["a", "b"]}
    assert own.get("/flavors/gold") == {**gold, "capabilities": OURS}
    assert [own.get(f"/pools/{name}")["flavor"] for name in ("a", "b", "c")] == ["gold", "gold", None]
    assert own.get("/flavors") == {"flavors": [gold], "links": [{"rel": "next", "href": "/v2/flavors?marker=gold"}]}
    assert own.ask("PUT", "/flavors/gold", {"pool_list": ["c"], "capabilities": {}}).status_code == 201
    assert own.get("/flavors/gold")["pool_list"] == ["c"]
    assert own.get("/pools/a")["flavor"] is None
    assert refused(own.ask("GET", "/flavors/silver"), 404, "Not found") == "Flavor silver does not exist"


def test_flavors_are_listed_by_name(own, uri):
    assert own.get("/flavors") == {"flavors": [], "links": []}
    for name in ("a", "b", "c"):
        put(own, uri, name)
        assert own.ask("PUT", f"/flavors/of-{name}", {"pool_list": [name]}).status_code == 201
    page = own.get("/flavors", limit=2, detailed="true")
    assert page["flavors"] == [
        {"name": f"of-{name}", "href": f"/v2/flavors/of-{name}", "pool_list": [name], "capabilities": OURS} for name in ("a", "b")
    ]
    assert page["links"] == [{"rel": "next", "href": "/v2/flavors?limit=2&detailed=true&marker=of-b"}]
    assert [each["name"] for each in own.get(page["links"][0]["href"])["flavors"]] == ["of-c"]
    assert own.get("/flavors", marker="of-c") == {"flavors": [], "links": []}


def test_the_pools_of_a_flavor_are_changed(own, uri):
    for name in ("a", "b", "c"):
        put(own, uri, name)
    own.ask("PUT", "/flavors/gold", {"pool_list": ["a", "b"]})
    answer = own.ask("PATCH", "/flavors/gold", {"pool_list": ["c", "b"]})
    assert (answer.status_code, answer.json()) == (
        200,
        {"name": "gold", "href": "/v2/flavors/gold", "pool_list": ["b", "c"], "capabilities": OURS},
    )
    assert [own.get(f"/pools/{name}")["flavor"] for name in ("a", "b", "c")] == [None, "gold", "gold"]
    refused(own.ask("PATCH", "/flavors/silver", {"pool_list": ["a"]}), 404, "Not found")


def test_bad_flavors_are_refused(own, uri):
    put(own, uri, "a")
    own.ask("PUT", "/flavors/gold", {"pool_list": ["a"]})
    wrong: list[Any] = [{}, {"pool_list": []}, {"pool_list": "a"}, {"pool_list": [1]}, {"pool_list": ["a"], "unknown": 1}]
    for method in ("PUT", "PATCH"):
        answer = own.ask(method, "/flavors/gold", {"pool_list": ["a", "unknown"]})
        assert "Pool unknown does not exist" in answer.json()["description"]
        for body in wrong:
            refused(own.ask(method, "/flavors/gold", body), 400, BODY)
    assert own.ask("PUT", "/flavors/silver", {"pool_list": ["unknown"]}).status_code == 400
    assert own.get("/flavors/silver", 404)
    assert own.get("/flavors/gold")["pool_list"] == ["a"]


def test_a_flavor_of_two_projects_keeps_its_pools_until_both_are_gone(own, service, uri):
    put(own, uri, "a")
    other = Client(service)
    for client in (own, other):
        assert client.ask("PUT", "/flavors/gold", {"pool_list": ["a"]}).status_code == 201
    assert own.ask("DELETE", "/flavors/gold").status_code == 204
    own.get("/flavors/gold", 404)
    assert other.get("/flavors/gold")["pool_list"] == ["a"]
    assert other.ask("DELETE", "/flavors/gold").status_code == 204
    assert own.get("/pools/a")["flavor"] is None


def test_a_queue_asks_for_a_flavor_that_there_is(own, uri):
    put(own, uri, "a")
    put(own, uri, "b")
    own.ask("PUT", "/flavors/gold", {"pool_list": ["a"]})
    assert own.ask("PUT", "/queues/q", {"_flavor": "gold"}).status_code == 201
    assert own.get("/queues/q")["_flavor"] == "gold"
    for wrong in ("silver", 1, ["gold"]):
        assert "does not exist" in refused(own.ask("PUT", "/queues/r", {"_flavor": wrong}), 400, LIMITS)
        assert refused(own.patch("/queues/q", {"op": "replace", "path": "/metadata/_flavor", "value": wrong}), 400, LIMITS)
    assert own.get("/queues/q")["_flavor"] == "gold"


# -- who may -----------------------------------------------------------------------------------------------------------


def test_flavors_are_read_by_everybody_and_the_rest_is_for_admins(own, uri):
    put(own, uri, "a")
    own.ask("PUT", "/flavors/gold", {"pool_list": ["a"]})
    for method, path, body in (
        ("GET", "/pools", None), ("GET", "/pools/a", None), ("PUT", "/pools/b", {"weight": 1, "uri": uri("b")}),
        ("PATCH", "/pools/a", {"weight": 1}), ("DELETE", "/pools/a", None), ("PUT", "/flavors/gold", {"pool_list": ["a"]}),
        ("PATCH", "/flavors/gold", {"pool_list": ["a"]}), ("DELETE", "/flavors/gold", None), ("GET", "/health", None),
    ):  # fmt: skip
        refused(own.ask(method, path, body, headers=MEMBER), 403, "Not authorized")
    for path in ("/flavors", "/flavors/gold"):
        assert own.ask("GET", path, headers=MEMBER).status_code == 200


@pytest.mark.parametrize(
    ("settings", "known"),
    [
        ({}, set()),
        ({"admin_mode": "true"}, {"/health"}),
        ({"pooling": "true", "enable_virtual_pool": "true"}, {"/flavors", "/flavors/x"}),
        (SETTINGS, {"/health", "/pools", "/pools/x", "/flavors", "/flavors/x"}),
    ],
)
def test_which_settings_bring_which_routes(place, settings, known):
    untitled = {"title": "404 Not Found"}
    with serving(None, messaging=url_of(place), messaging_settings=settings) as service:
        client = Client(service)
        paths = ["/health", "/pools", "/pools/x", "/flavors", "/flavors/x"]
        assert {path for path in paths if client.ask("GET", path).json() != untitled} == known
        if "/pools" not in known:
            for path, body in (("/pools/x", {"weight": 1, "uri": "x"}), ("/flavors/x", {"pool_list": ["a"]})):
                assert client.ask("PUT", path, body).status_code in (404, 405)
        home = service.client.get("/messaging/v2/").json()["resources"]
        told = {re.sub("{.*?}", "", each["href-template"]).rstrip("/").removeprefix("/v2") for each in home.values()}
        assert {path for path in ("/health", "/pools", "/flavors") if path in told} == {
            path for path in known if path.count("/") == 1
        }
