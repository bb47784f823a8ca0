"""Messages over HTTP: Zaqar's API v2 word for word."""

from __future__ import annotations

import time
import urllib.parse
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.messages import KEY, PATCH, SECRET, Client, refused
from tests.api.service import Service, serving
from tests.conftest import url_of
from undercroft.conformance.plugin import Opener

pytestmark = pytest.mark.kind("messaging")
LIMITS, BODY, PARAMETER = "Invalid API request", "Invalid request body", "Invalid parameter"
DEFAULTS = {
    "_max_messages_post_size": 262_144, "_default_message_ttl": 3_600, "_default_message_delay": 0, "_dead_letter_queue": None,
    "_dead_letter_queue_messages_ttl": None, "_max_claim_count": None, "_enable_encrypt_messages": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def service(place: Opener) -> Iterator[Service]:
    """A service without access control."""
    own = {"secret_key": SECRET, "encryption_key": KEY, "admin_mode": "true"}
    with serving(None, messaging=url_of(place), messaging_settings=own) as found:
        yield found


@pytest.fixture
def own(service: Service) -> Client:
    """A client with a project of its own."""
    return Client(service)


# -- what the API is ---------------------------------------------------------------------------------------------------

VERSION = {
    "id": "2", "status": "CURRENT", "updated": "2014-9-24T04:06:47Z",
    "media-types": [{"base": "application/json", "type": "application/vnd.openstack.messaging-v2+json"}],
}  # fmt: skip


@pytest.mark.parametrize(("path", "href"), [("/messaging", "/v2/"), ("/messaging/", "/v2/"), ("/messaging/v2", "./")])
def test_versions_need_no_header(service, path, href):
    answer = service.client.get(path)
    assert (answer.status_code, answer.json()) == (300, {"versions": [{**VERSION, "links": [{"href": href, "rel": "self"}]}]})


def test_the_home_document_names_paths_that_there_are(service):
    found = service.client.get("/messaging/v2/")
    assert found.status_code == 200
    known = service.client.get("/openapi.json").json()["paths"]
    for resource in found.json()["resources"].values():
        path, _, query = resource["href-template"].partition("{?")
        methods = known[f"/messaging{path}"]
        assert {method.lower() for method in resource["hints"]["allow"]} <= methods.keys()
        named = {name for name in query.rstrip("}").split(",") if name}
        parameters = {each["name"] for method in methods.values() for each in method["parameters"]}
        assert resource["href-vars"].keys() <= parameters
        assert named <= parameters


def test_ping_and_health(own):
    for method in ("GET", "HEAD"):
        answer = own.ask(method, "/ping")
        assert (answer.status_code, answer.content) == (204, b"")
    health = own.get("/health")
    # With pools, each has an answer of its own.
    for found in health.values() if health.pop("catalog_reachable", False) else [health]:
        assert found["storage_reachable"] is True
        assert all(each["succeeded"] for each in found["operation_status"].values())
    assert own.ask("GET", "/health", headers={"X-Roles": "member"}).status_code == 403


def test_what_is_not_routed_has_a_title_only(own):
    assert own.get("/nothing", 404) == {"title": "404 Not Found"}
    assert own.ask("DELETE", "/ping").json() == {"title": "405 Method Not Allowed"}
    assert own.ask("POST", "/topics/t/claims").status_code == 404


@pytest.mark.parametrize(
    ("headers", "status", "title"),
    [
        ({"Client-ID": None}, 400, "Wrong UUID value"),
        ({"Client-ID": "no-uuid"}, 400, "Wrong UUID value"),
        ({"X-Project-ID": None}, 400, "Project-Id Missing"),
        ({"X-Project-ID": "p" * 257}, 400, "Invalid queue identification"),
        ({"Accept": "text/html"}, 406, "Not Acceptable"),
    ],
)
def test_headers_that_are_needed(own, headers, status, title):
    assert refused(own.ask("GET", "/queues", headers=headers), status, title)
    assert own.ask("GET", "/queues", headers={"Accept": "text/html, application/*;q=0.5"}).status_code == 200


def test_forms_are_no_bodies(own):
    answer = own.service.client.put("/messaging/v2/queues/q", data={"a": "1"}, headers=own.headers)
    assert "application/x-www-form-urlencoded" in refused(answer, 400, BODY)


def test_client_ids_of_other_systems(place):
    with serving(None, messaging=url_of(place), messaging_settings={"client_id_uuid_safe": "off"}) as service:
        for text, status in (("worker-number-1", 200), ("x" * 36, 200), ("x" * 9, 400), ("x" * 37, 400)):
            assert Client(service, client=text).ask("GET", "/queues").status_code == status
        client = Client(service, client="worker-number-1")
        client.post("q", 1)
        assert client.get("/queues/q/messages")["messages"] == []
        assert len(Client(service, client.project, "worker-number-2").get("/queues/q/messages")["messages"]) == 1


# -- queues ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["queues", "topics"])
def test_a_queue_is_made_once(own, base):
    path = f"/{base}/a.b-C_1"
    answers = [own.ask("PUT", path, {"k": [1, None, {"é": "x"}]}), own.ask("PUT", path, {"k": 2}), own.ask("PUT", path)]
    assert [answer.status_code for answer in answers] == [201, 204, 204]
    assert {answer.headers["location"] for answer in answers} == {f"/v2{path}"}
    assert own.get(path) == {**DEFAULTS, "k": [1, None, {"é": "x"}]}
    assert own.get(f"/{base}/unknown") == DEFAULTS
    other = "topics" if base == "queues" else "queues"
    assert own.get(f"/{other}/a.b-C_1") == DEFAULTS
    assert [own.ask("DELETE", path).status_code for _ in range(2)] == [204, 204]
    assert own.get(path) == DEFAULTS


@pytest.mark.parametrize("name", ["x" * 65, "a%20b", "é", "a%00b", "a:b", "%F0%9F%98%80"])
def test_names_that_are_none(own, name):
    for method, rest, body in (
        ("PUT", "", {}),
        ("GET", "", None),
        ("POST", "/messages", {"messages": [{}]}),
        ("POST", "/claims", {}),
    ):
        refused(own.ask(method, f"/queues/{name}{rest}", body), 400, "Invalid queue identification")


@pytest.mark.parametrize("base", ["queues", "topics"])
def test_lists_of_queues(own, base):
    assert own.get(f"/{base}") == {base: [], "links": []}
    for number in range(5):
        own.ask("PUT", f"/{base}/q{number}", {"parity": number % 2, "kind": "x" if number else "y"})
    first = own.get(f"/{base}", limit=2, detailed="true", kind="x")
    assert [each["name"] for each in first[base]] == ["q1", "q2"]
    assert first[base][0] == {"name": "q1", "href": f"/v2/{base}/q1", "metadata": {**DEFAULTS, "parity": 1, "kind": "x"}}
    (link,) = first["links"]
    assert link["rel"] == "next"
    path, _, query = link["href"].partition("?")
    assert path == f"/v2/{base}"
    assert urllib.parse.parse_qs(query) == {"limit": ["2"], "detailed": ["true"], "kind": ["x"], "marker": ["q2"]}
    seen, href = [], f"/v2/{base}?limit=2"
    while True:
        page = own.get(href)
        if not page[base]:
            assert page["links"] == []
            break
        seen += [each["name"] for each in page[base]]
        href = page["links"][0]["href"]
    assert seen == [f"q{number}" for number in range(5)]
    # Numbers are found as numbers.
    assert [each["name"] for each in own.get(f"/{base}", parity=1)[base]] == ["q1", "q3"]
    assert [each["name"] for each in own.get(f"/{base}", name="q3")[base]] == ["q3"]
    assert own.get(f"/{base}", name="q3", parity=0)[base] == []


@pytest.mark.parametrize("base", ["queues", "topics"])
def test_queues_are_counted(own, base):
    assert own.get(f"/{base}", with_count="true")["count"] == 0
    own.ask("PUT", f"/{'topics' if base == 'queues' else 'queues'}/other")
    for number in range(3):
        own.ask("PUT", f"/{base}/q{number}")
    found = own.get(f"/{base}", with_count="true", limit=1)
    assert (found["count"], len(found[base])) == (3, 1)
    assert "count" not in own.get(f"/{base}", with_count="false")


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ({"limit": 0}, LIMITS), ({"limit": 21}, LIMITS), ({"limit": -1}, LIMITS), ({"limit": "x"}, PARAMETER),
        ({"detailed": "maybe"}, PARAMETER), ({"limit": 2**70}, LIMITS), ({f"k{n}": n for n in range(21)}, PARAMETER),
        ({"k": ["a", "b"]}, PARAMETER), ({"limit": [1, 2]}, PARAMETER),
    ],
)  # fmt: skip
def test_lists_that_are_refused(own, query, title):
    refused(own.ask("GET", "/queues", **query), 400, title)


WRONG = [
    {"_max_messages_post_size": 0}, {"_max_messages_post_size": 262_145}, {"_max_messages_post_size": "1"},
    {"_max_messages_post_size": None}, {"_max_messages_post_size": True}, {"_default_message_ttl": 59},
    {"_default_message_ttl": 1_209_601}, {"_default_message_ttl": 60.0}, {"_default_message_delay": -1},
    {"_default_message_delay": 901}, {"_dead_letter_queue": 5}, {"_dead_letter_queue_messages_ttl": 59},
    {"_max_claim_count": "x"}, {"_max_claim_count": -1}, {"_enable_encrypt_messages": 1}, {"_enable_encrypt_messages": "true"},
    {"_flavor": "none"}, {"_retry_policy": 1}, {"_retry_policy": {"minimum_delay": 30}}, {"_retry_policy": {"colour": 1}},
    {"_retry_policy": {"retry_backoff_function": "sine"}}, {"_retry_policy": {"maximum_delay": 14}},
    {"_retry_policy": {"ignore_subscription_override": 1}}, {"_retry_policy": {"retries_with_no_delay": -1}},
]  # fmt: skip


@pytest.mark.parametrize("metadata", WRONG, ids=str)
def test_reserved_attributes_are_checked(own, metadata):
    (name,) = metadata
    assert name in refused(own.ask("PUT", "/queues/q", metadata), 400, LIMITS)
    own.ask("PUT", "/queues/q", {"k": 1})
    assert name in refused(own.patch("/queues/q", {"op": "add", "path": f"/metadata/{name}", "value": metadata[name]}), 400, LIMITS)
    assert own.get("/queues/q") == {**DEFAULTS, "k": 1}


def test_reserved_attributes_are_taken(own):
    right = {
        "_max_messages_post_size": 1, "_default_message_ttl": 60, "_default_message_delay": 900, "_dead_letter_queue": "dead",
        "_dead_letter_queue_messages_ttl": 1_209_600, "_max_claim_count": 3, "_enable_encrypt_messages": True,
        "_retry_policy": {
            "minimum_delay": 20, "retry_backoff_function": "geometric", "ignore_subscription_override": True,
            "maximum_delay": 30, "maximum_delay_retries": 0,
        },
    }  # fmt: skip
    assert own.ask("PUT", "/queues/q", right).status_code == 201
    assert own.get("/queues/q") == right
    # What is answered may be sent back.
    assert own.ask("PUT", "/queues/q2", DEFAULTS).status_code == 201


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ([1], BODY), ("x", BODY), ({"k": "x" * 65_536}, LIMITS), ({"k": 2**63}, BODY), ({"k": [{"n": -(2**63) - 1}]}, BODY),
        ({"": 1}, BODY), ({"a\x00b": 1}, BODY), ({"x" * 256: 1}, BODY),
    ],
)  # fmt: skip
def test_metadata_that_are_refused(own, body, title):
    refused(own.ask("PUT", "/queues/q", body), 400, title)
    assert own.get("/queues")["queues"] == []
    assert own.ask("PUT", "/queues/q", {"k": "x" * 65_000, "n": 2**63 - 1}).status_code == 201


# -- changes of metadata -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["queues", "topics"])
def test_metadata_are_changed_key_by_key(own, base):
    path = f"/{base}/q"
    refused(own.patch(path, {"op": "add", "path": "/metadata/k", "value": 1}), 404, "Not found")
    own.ask("PUT", path, {"a": 1, "b/~": 2, "_default_message_ttl": 100})
    changes = [
        {"op": "add", "path": "/metadata/new", "value": {"deep": []}}, {"op": "replace", "path": "/metadata/a", "value": 3},
        {"op": "remove", "path": "/metadata/b~1~0"}, {"op": "remove", "path": "/metadata/_default_message_ttl"},
        {"op": "replace", "path": "/metadata/_default_message_delay", "value": 5},
        {"op": "add", "path": "/metadata/~01", "value": 6},
    ]  # fmt: skip
    answer = own.patch(path, *changes)
    assert answer.status_code == 200, answer.text
    assert answer.json() == own.get(path) == {**DEFAULTS, "a": 3, "new": {"deep": []}, "_default_message_delay": 5, "~1": 6}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"op": "replace", "path": "/metadata/x", "value": 1}, 409), ({"op": "remove", "path": "/metadata/x"}, 409),
        ({"op": "move", "path": "/metadata/a", "value": 1}, 400), ({"path": "/metadata/a", "value": 1}, 400),
        ({"op": "add", "path": "/metadata/a"}, 400), ({"op": "add", "value": 1}, 400),
        ({"op": "add", "path": "/a", "value": 1}, 400),
        ({"op": "add", "path": "/metadata/a/b", "value": 1}, 400), ({"op": "add", "path": "/metadata/", "value": 1}, 400),
        ({"op": "add", "path": "/metadata/~2", "value": 1}, 400), ({"op": "add", "path": "/metadata", "value": {}}, 400),
        ({"op": "add", "path": 5, "value": 1}, 400), ({"op": ["add"], "path": "/metadata/a", "value": 1}, 400), (5, 400),
        ({"op": "add", "path": "/metadata/a", "value": 2**64}, 400),
    ],
)  # fmt: skip
def test_changes_that_are_refused(own, change, status):
    own.ask("PUT", "/queues/q", {"a": 1})
    good = {"op": "add", "path": "/metadata/b", "value": 1}
    refused(own.patch("/queues/q", good, change), status, "Resource conflict" if status == 409 else BODY)
    assert own.get("/queues/q") == {**DEFAULTS, "a": 1}


def test_changes_have_a_content_type(own):
    own.ask("PUT", "/queues/q")
    good = {"op": "add", "path": "/metadata/b", "value": 1}
    for media in ("application/json", "application/json-patch+json", "text/plain"):
        assert PATCH in refused(own.patch("/queues/q", good, media=media), 415, "Unsupported Media Type")
    assert own.patch("/queues/q", good, media=f"{PATCH}; charset=utf-8").status_code == 200
    refused(own.patch("/queues/q"), 400, BODY)


# -- statistics and purge ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["queues", "topics"])
def test_statistics(own, base):
    assert own.get(f"/{base}/q/stats") == {"messages": {"claimed": 0, "free": 0, "total": 0}}
    sent = own.ask("POST", f"/{base}/q/messages", {"messages": [{"body": n} for n in range(3)]}).json()["resources"]
    found = own.get(f"/{base}/q/stats")["messages"]
    assert (found["claimed"], found["free"], found["total"]) == (0, 3, 3)
    for name, place in (("oldest", 0), ("newest", 2)):
        assert found[name].keys() == {"href", "age", "created"}
        assert found[name]["href"] == sent[place]
        assert own.get(found[name]["href"])["body"] == place
        assert time.strptime(found[name]["created"], "%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("body", "left"),
    [(None, (0, 0)), ({}, (0, 0)), ({"resource_types": ["messages"]}, (0, 1)), ({"resource_types": ["subscriptions"]}, (3, 0))],
)
def test_purge(own, body, left):
    own.post("q", 1, 2)
    own.post("q", 3, delay=60)
    own.claim("q", limit=1)
    own.ask("POST", "/queues/q/subscriptions", {"subscriber": "http://example.org"})
    assert own.ask("POST", "/queues/q/purge", body).status_code == 204
    assert own.get("/queues/q/stats")["messages"]["total"] == left[0]
    assert len(own.get("/queues/q/subscriptions")["subscriptions"]) == left[1]
    assert [each["name"] for each in own.get("/queues")["queues"]] == ["q"]


def test_purges_that_are_refused(own):
    wrong: list[Any] = [{"resource_types": ["claims"]}, {"resource_types": "messages"}, {"colour": 1}, [], "x"]
    for body in wrong:
        refused(own.ask("POST", "/queues/q/purge", body), 400, BODY)
    assert own.ask("POST", "/queues/unknown/purge").status_code == 204


# -- messages ----------------------------------------------------------------------------------------------------------

BODIES: list[Any] = [{"é": [1, 2.5, None, True]}, "text", 5, None, [], {}, "", 0, False, "😀\x00", {"id": "own"}]


@pytest.mark.parametrize("base", ["queues", "topics"])
def test_messages_are_posted_and_read(own, base):
    answer = own.ask("POST", f"/{base}/q/messages", {"messages": [{"body": body, "ttl": 70, "colour": 1} for body in BODIES]})
    assert answer.status_code == 201
    assert answer.json().keys() == {"resources"}
    hrefs = answer.json()["resources"]
    ids = [href.rpartition("/")[2] for href in hrefs]
    assert hrefs == [f"/v2/{base}/q/messages/{each}" for each in ids]
    assert answer.headers["location"] == f"/v2/{base}/q/messages?ids={','.join(ids)}"
    listed = own.get(f"/{base}/q/messages", echo="true", limit=20)["messages"]
    assert [each["body"] for each in listed] == BODIES
    # Clients break on any further key.
    assert all(each.keys() == {"id", "href", "ttl", "age", "body"} for each in listed)
    assert [(each["id"], each["href"], each["ttl"]) for each in listed] == [
        (each, f"/v2/{base}/q/messages/{each}", 70) for each in ids
    ]
    assert own.get(answer.headers["location"]).keys() == {"messages"}
    assert [each["body"] for each in own.get(answer.headers["location"])["messages"]] == BODIES
    assert own.get(hrefs[0])["body"] == BODIES[0]
    assert [each["name"] for each in own.get(f"/{base}")[base]] == ["q"]


def test_defaults_of_the_queue(own):
    own.ask("PUT", "/queues/q", {"_default_message_ttl": 123, "_default_message_delay": 60})
    own.post("q", "late")
    own.post("q", "at once", ttl=61, delay=0)
    found = own.get("/queues/q/messages", echo="true", include_delayed="true")["messages"]
    assert [(each["body"], each["ttl"]) for each in found] == [("late", 123), ("at once", 61)]
    assert own.bodies("q") == ["at once"]
    # A delay of the message's own counts on every queue.
    own.post("plain", "late", delay=60)
    assert (own.bodies("plain"), own.bodies("plain", include_delayed="true")) == ([], ["late"])


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ({"messages": []}, BODY), ({}, BODY), ([], BODY), ({"messages": {}}, BODY), ({"messages": [5]}, BODY),
        ({"messages": [{"ttl": "60"}]}, BODY), ({"messages": [{"ttl": 60.5}]}, BODY), ({"messages": [{"delay": "x"}]}, BODY),
        ({"messages": [{"ttl": 59}]}, LIMITS), ({"messages": [{"ttl": 1_209_601}]}, LIMITS),
        ({"messages": [{"delay": -1}]}, LIMITS),
        ({"messages": [{"delay": 901}]}, LIMITS), ({"messages": [{}, {"ttl": -1}]}, LIMITS),
        ({"messages": [{"body": 2**63}]}, BODY),
        ({"messages": [{"body": "x" * 262_144}]}, LIMITS), ({"messages": [{"dedup_id": ""}]}, LIMITS),
        ({"messages": [{"dedup_id": "x" * 256}]}, LIMITS), ({"messages": [{"ttl": 2**64}]}, LIMITS),
    ],
    ids=lambda given: str(given)[:40],
)  # fmt: skip
def test_posts_that_are_refused(own, body, title):
    refused(own.ask("POST", "/queues/q/messages", body), 400, title)
    assert own.bodies("q") == []


def test_a_queue_has_a_size_of_its_own(own):
    own.ask("PUT", "/queues/q", {"_max_messages_post_size": 100})
    assert "100" in refused(own.ask("POST", "/queues/q/messages", {"messages": [{"body": "x" * 100}]}), 400, LIMITS)
    own.post("q", "x" * 50)


def test_a_dedup_id_stores_once(own):
    first = own.post("q", "one", dedup_id="d")
    assert own.post("q", "two", dedup_id="d") == first
    assert own.post("other", "three", dedup_id="d") != first
    assert own.bodies("q") == ["one"]


def test_lists_of_messages(own):
    other = Client(own.service, own.project, str(uuid.uuid4()))
    ids = own.post("q", 1, 2, 3)
    other.post("q", 4)
    assert [each["body"] for each in own.get("/queues/q/messages")["messages"]] == [4]
    assert [each["body"] for each in other.get("/queues/q/messages")["messages"]] == [1, 2, 3]
    location, _ = own.claim("q", limit=2)
    assert own.bodies("q") == [3, 4]
    claimed = own.get("/queues/q/messages", echo="true", include_claimed="true")["messages"]
    assert [each["body"] for each in claimed] == [1, 2, 3, 4]
    claim = location.rpartition("/")[2]
    assert claimed[0]["href"] == f"/v2/queues/q/messages/{ids[0]}?claim_id={claim}"
    assert own.bodies("q", include_claimed="true", marker=ids[1]) == [3, 4]
    assert own.get("/queues/unknown/messages") == {"messages": [], "links": []}


def test_pages_show_every_message_once(own):
    own.post("q", *range(7))
    seen, href = [], "/v2/queues/q/messages?limit=3&echo=true&include_claimed=false"
    for _ in range(5):
        page = own.get(href)
        if not page["messages"]:
            assert page["links"] == []
            break
        seen += [each["body"] for each in page["messages"]]
        href = page["links"][0]["href"]
        assert "limit=3&echo=true&include_claimed=false&marker=" in href
    assert seen == list(range(7))


def test_messages_by_ids(own):
    ids = own.post("q", *range(3))
    assert [each["body"] for each in own.get("/queues/q/messages", ids=f"{ids[2]},nothing,{ids[0]}")["messages"]] == [0, 2]
    refused(own.ask("GET", "/queues/q/messages", ids="a,b"), 404, "Not found")
    refused(own.ask("GET", "/queues/q/messages", ids=",".join("a" * 21)), 400, LIMITS)
    refused(own.ask("GET", "/queues/q/messages/nothing"), 404, "Not found")
    assert "topic t " in refused(own.ask("GET", "/topics/t/messages/nothing"), 404, "Not found")


def test_deletes_of_messages(own):
    ids = own.post("q", *range(5))
    for _ in range(2):
        assert own.ask("DELETE", f"/queues/q/messages/{ids[0]}").status_code == 204
    assert own.ask("DELETE", "/queues/q/messages", ids=f"{ids[1]},nothing").status_code == 204
    assert own.ask("DELETE", "/queues/unknown/messages/nothing").status_code == 204
    location, (message,) = own.claim("q", limit=1)
    claim = location.rpartition("/")[2]
    path = f"/queues/q/messages/{message['id']}"
    for given in ({}, {"claim_id": own.claim("q", limit=1)[0].rpartition("/")[2]}):
        refused(own.ask("DELETE", path, **given), 403, "Unable to delete")
    refused(own.ask("DELETE", path, claim_id="nothing"), 400, "Unable to delete")
    refused(own.ask("DELETE", f"/queues/q/messages/{ids[4]}", claim_id=claim), 400, "Unable to delete")
    assert own.ask("DELETE", message["href"]).status_code == 204
    assert own.bodies("q", include_claimed="true") == [3, 4]
    # Several at once go with claims, too.
    assert own.ask("DELETE", "/queues/q/messages", ids=",".join(ids)).status_code == 204
    assert own.bodies("q", include_claimed="true") == []


def test_deletes_with_claims_where_the_settings_say_so(place):
    with serving(None, messaging=url_of(place), messaging_settings={"message_delete_with_claim_id": "true"}) as service:
        own = Client(service)
        ids = ",".join(own.post("q", 1, 2, 3))
        claims = [own.claim("q", limit=1)[0].rpartition("/")[2] for _ in range(2)]
        refused(own.ask("DELETE", "/queues/q/messages", ids=ids), 400, LIMITS)
        refused(own.ask("DELETE", "/queues/q/messages", ids=ids, claim_ids=",".join(claims)), 400, "Unable to delete")
        own.claim("q")
        refused(own.ask("DELETE", "/queues/q/messages", ids=ids, claim_ids=",".join(claims)), 400, "Unable to delete")
        assert own.bodies("q", include_claimed="true") == [1, 2, 3]
        two = ",".join(ids.split(",")[:2])
        assert own.ask("DELETE", "/queues/q/messages", ids=two, claim_ids=",".join(claims)).status_code == 204
        assert own.bodies("q", include_claimed="true") == [3]


def test_pop(own):
    own.post("q", *range(4))
    own.claim("q", limit=1)
    found = own.ask("DELETE", "/queues/q/messages", pop=2).json()
    assert [each["body"] for each in found["messages"]] == [1, 2]
    assert found["messages"][0].keys() == {"id", "ttl", "age", "body", "claim_id", "claim_count"}
    assert own.ask("DELETE", "/queues/q/messages", pop=20).json()["messages"][0]["body"] == 3
    assert own.ask("DELETE", "/queues/unknown/messages", pop=1).json() == {"messages": []}
    for query in ({}, {"pop": 0}, {"pop": 21}, {"pop": 1, "ids": "a"}, {"ids": ",".join("a" * 21)}, {"pop": 1, "claim_ids": "a"}):
        refused(own.ask("DELETE", "/queues/q/messages", **query), 400, LIMITS)
    refused(own.ask("DELETE", "/queues/q/messages", pop="x"), 400, PARAMETER)


def test_checksums_where_the_settings_say_so(place):
    with serving(None, messaging=url_of(place), messaging_settings={"enable_checksum": "true"}) as service:
        own = Client(service)
        own.post("q", {"a": 1})
        (found,) = own.get("/queues/q/messages", echo="true")["messages"]
        # md5 of '{"a": 1}'.
        assert found["checksum"] == "MD5:42b7b4f2921788ea14dac5566e6f06d0"


# -- claims ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, {}, {"ttl": None, "grace": None}], ids=str)
def test_a_claim_has_defaults(own, body):
    own.post("q", *range(12))
    answer = own.ask("POST", "/queues/q/claims", body)
    assert answer.status_code == 201
    assert answer.json().keys() == {"messages"}
    assert [each["body"] for each in answer.json()["messages"]] == list(range(10))
    claim = own.get(answer.headers["location"])
    assert (claim["ttl"], claim["href"], claim["messages"]) == (300, answer.headers["location"], answer.json()["messages"])
    assert claim.keys() == {"age", "ttl", "messages", "href"}
    message = claim["messages"][0]
    assert message.keys() == {"id", "href", "ttl", "age", "body"}
    # Clients read the id of the claim behind the sign.
    assert message["href"].partition("=")[2] == answer.headers["location"].rpartition("/")[2]


def test_the_life_of_a_claim(own):
    own.post("q", 1, 2, ttl=61)
    made = own.ask("POST", "/queues/q/claims", {"ttl": 100, "grace": 60}, limit=1)
    location = made.headers["location"]
    assert [each["ttl"] for each in made.json()["messages"]] == [160]
    answer = own.ask("PATCH", location, {"ttl": 110, "grace": 0})
    assert (answer.status_code, answer.content) == (204, b"")
    assert own.get(location)["ttl"] == 110
    assert own.ask("PATCH", location, {"ttl": 90}).status_code == 204
    assert [own.ask("DELETE", location).status_code for _ in range(2)] == [204, 204]
    assert refused(own.ask("GET", location), 404, "Not found")
    refused(own.ask("PATCH", location, {"ttl": 60, "grace": 60}), 404, "Not found")
    assert own.bodies("q") == [1, 2]


def test_nothing_to_claim(own):
    for queue in ("unknown", "empty"):
        answer = own.ask("POST", f"/queues/{queue}/claims", {})
        assert (answer.status_code, answer.content) == (204, b"")
    own.post("empty", 1, delay=60)
    assert own.ask("POST", "/queues/empty/claims", {}).status_code == 204
    assert [each["name"] for each in own.get("/queues")["queues"]] == ["empty"]


@pytest.mark.parametrize(
    ("body", "query", "title"),
    [
        ({"ttl": 59}, {}, LIMITS), ({"ttl": 43_201}, {}, LIMITS), ({"grace": 59}, {}, LIMITS), ({"grace": 43_201}, {}, LIMITS),
        ({"ttl": "60"}, {}, BODY), ({"ttl": 60.5}, {}, BODY), ([], {}, BODY), ({}, {"limit": 0}, LIMITS),
        ({}, {"limit": 21}, LIMITS),
        ({}, {"limit": "x"}, PARAMETER), ({}, {"colour": 1}, PARAMETER),
    ],
    ids=str,
)  # fmt: skip
def test_claims_that_are_refused(own, body, query, title):
    own.post("q", 1)
    refused(own.ask("POST", "/queues/q/claims", body, **query), 400, title)
    assert own.bodies("q") == [1]
    if not query and body != {"grace": 59}:
        location, _ = own.claim("q")
        refused(own.ask("PATCH", location, body), 400, title)


def test_dead_letters(own):
    own.ask("PUT", "/queues/q", {"_max_claim_count": 1, "_dead_letter_queue": "dead", "_dead_letter_queue_messages_ttl": 99})
    (message,) = own.post("q", "poison")
    own.ask("DELETE", own.claim("q")[0])
    assert own.ask("POST", "/queues/q/claims", {}).status_code == 204
    (found,) = own.get("/queues/dead/messages", echo="true")["messages"]
    assert (found["id"], found["body"], found["ttl"]) == (message, "poison", 99)


# -- subscriptions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["queues", "topics"])
def test_the_life_of_a_subscription(own, base):
    path = f"/{base}/q/subscriptions"
    assert own.get(path) == {"subscriptions": [], "links": []}
    options = {"post_headers": {"X": "1"}, "_retry_policy": {"minimum_delay": 1}}
    made = own.ask("POST", path, {"subscriber": "http://example.org/a", "ttl": 100, "options": options})
    assert made.status_code == 201
    number = made.json()["subscription_id"]
    assert made.json() == {"subscription_id": number}
    assert made.headers["location"] == f"/v2{path}/{number}"
    found = own.get(made.headers["location"])
    assert found == {
        "id": number, "source": "q", "subscriber": "http://example.org/a", "ttl": 100, "age": found["age"], "options": options,
        "confirmed": False,
    }  # fmt: skip
    assert [each["name"] for each in own.get(f"/{base}")[base]] == ["q"]
    # One that waits is given again; one that is confirmed is in the way.
    again = own.ask("POST", path, {"subscriber": "http://example.org/a"})
    assert (again.status_code, again.json()) == (201, made.json())
    assert own.ask("PUT", f"{path}/{number}/confirm", {"confirmed": True}).status_code == 204
    assert own.get(f"{path}/{number}")["confirmed"] is True
    refused(own.ask("POST", path, {"subscriber": "http://example.org/a"}), 409, "Resource conflict")
    other = own.ask("POST", path, {"subscriber": "mailto:ops@example.org?subject=x"}).json()["subscription_id"]
    refused(own.ask("PATCH", f"{path}/{other}", {"subscriber": "http://example.org/a"}), 409, "Resource conflict")
    changes = {"subscriber": "https://example.org:8443/b", "ttl": 200, "options": {}}
    assert own.ask("PATCH", f"{path}/{other}", changes).status_code == 204
    changed = own.get(f"{path}/{other}")
    assert {name: changed[name] for name in changes} == changes
    page = own.get(path, limit=1)
    assert page["links"] == [{"rel": "next", "href": f"/v2{path}?limit=1&marker={page['subscriptions'][0]['id']}"}]
    assert len(own.get(page["links"][0]["href"])["subscriptions"]) == 1
    assert [own.ask("DELETE", f"{path}/{number}").status_code for _ in range(2)] == [204, 204]
    refused(own.ask("GET", f"{path}/{number}"), 404, "Not found")
    refused(own.ask("PATCH", f"{path}/{number}", {"ttl": 60}), 404, "Not found")
    refused(own.ask("PUT", f"{path}/{number}/confirm", {"confirmed": False}), 404, "Not found")
    refused(own.ask("GET", f"/{base}/another/subscriptions/{other}"), 404, "Not found")


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ({}, BODY), ([], BODY), ({"subscriber": 5}, BODY), ({"subscriber": "http://a", "ttl": "60"}, BODY),
        ({"subscriber": "http://a", "options": []}, BODY), ({"subscriber": "http://a", "options": {"n": 2**63}}, BODY),
        ({"subscriber": "http://a", "ttl": 59}, LIMITS), ({"subscriber": "http://a", "ttl": 2**62}, LIMITS),
        ({"subscriber": "http://a", "options": {"_retry_policy": {"colour": 1}}}, LIMITS),
        *(({"subscriber": uri}, LIMITS) for uri in (
            "", "ftp://a", "example.org", "http://", "http:a", "mailto:", "mailto:@", "http://[::1", "http://a:x", "http://a b",
            "http://a\r\nX: 1", "javascript:alert(1)", "http://a" + "a" * 2_048, "http://a\x00",
        )),
    ],
    ids=lambda given: str(given)[:50],
)  # fmt: skip
def test_subscriptions_that_are_refused(own, body, title):
    refused(own.ask("POST", "/queues/q/subscriptions", body), 400, title)
    made = own.ask("POST", "/queues/q/subscriptions", {"subscriber": "http://example.org"}).json()["subscription_id"]
    refused(own.ask("PATCH", f"/queues/q/subscriptions/{made}", body), 400, title)


@pytest.mark.parametrize("scheme", ["trust+http", "TRUST+HTTPS"])
def test_trusts_say_why_not(own, scheme):
    answer = own.ask("POST", "/queues/q/subscriptions", {"subscriber": f"{scheme}://example.org"})
    assert "Keystone" in refused(answer, 400, LIMITS)


@pytest.mark.parametrize("body", [{}, {"confirmed": 1}, {"confirmed": "true"}, {"confirmed": None}, []], ids=str)
def test_confirmations_that_are_refused(own, body):
    made = own.ask("POST", "/queues/q/subscriptions", {"subscriber": "http://example.org"}).json()["subscription_id"]
    refused(own.ask("PUT", f"/queues/q/subscriptions/{made}/confirm", body), 400, BODY)
