"""`Idempotency-Key`: one effect, whatever is repeated, crosses, or dies between the effect and the answer."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import functools
import itertools
import re
import threading
import time
from typing import Any

import httpx
import pytest

from tests.api.answers import CLIENT
from tests.api.service import Service, frame, serving
from tests.conftest import url_of
from undercroft.api.kind import routes
from undercroft.conformance.plugin import Opener

WHEN = {"begin": dt.datetime(2026, 11, 1, tzinfo=dt.UTC), "end": dt.datetime(2026, 12, 1, tzinfo=dt.UTC)}
ADMIN = "t-admin"


def stored(opener: Opener) -> int:
    rows = opener.opened[0].total(**WHEN)["results"]
    return int(rows[0]["qty"]) if rows else 0


@pytest.fixture(scope="module")
def adding(place: Opener, tokens):
    """A service on a store that adds up what is pushed twice, so that every effect shows."""
    with serving(url_of(place, on_conflict="append"), auth="tokens", token_file=tokens) as found:
        yield found


@pytest.fixture
def clean(adding: Service, place: Opener, request) -> Service:
    place.opened[0].delete()
    return adding


@pytest.mark.promise("C8")
def test_a_repetition_has_no_second_effect(clean, place):
    answers = [clean.push(frame("a"), token=ADMIN, Idempotency_Key="one") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204] * 3
    assert stored(place) == 1
    assert clean.push(frame("a", 2), token=ADMIN, Idempotency_Key="one").status_code == 409
    assert stored(place) == 1
    # Another caller's key is another key.
    assert clean.push(frame("a", 2), token="t-admin-a", Idempotency_Key="one").status_code == 204
    assert stored(place) == 3


@pytest.mark.promise("C8")
def test_a_refused_request_stores_nothing(clean, place):
    assert clean.push(frame("a", "many"), token=ADMIN, Idempotency_Key="two").status_code == 400
    assert clean.push(frame("a", 1), token="t-member-a", Idempotency_Key="two").status_code == 403
    assert clean.push(frame("a", 1), token=ADMIN, Idempotency_Key="two").status_code == 204
    assert stored(place) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a b"])
def test_a_wrong_key_is_refused(clean, place, key):
    assert clean.push(frame("a"), token=ADMIN, Idempotency_Key=key).status_code == 400
    assert stored(place) == 0


@pytest.mark.promise("C8")
@pytest.mark.parametrize("keys", [True, False], ids=["", "twin: without keys"])
def test_sixteen_at_once(clean, place, keys):
    start = threading.Barrier(16)

    def push(_: int) -> Any:
        start.wait()
        return clean.push(frame("a"), token=ADMIN, **({"Idempotency_Key": "three"} if keys else {})).status_code

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(push, range(16)))
    assert set(statuses) == {204}
    assert stored(place) == (1 if keys else 16)


@pytest.mark.promise("C8")
@pytest.mark.promise("D2")
@pytest.mark.chaos
@pytest.mark.parametrize("keys", [True, False], ids=["", "twin: without keys"])
def test_kill_between_effect_and_answer(opener, keys, figure, record):
    """The service is killed once its effect is seen in the store, or a little later; the client repeats until it is told."""
    opener()
    lives = figure(5, 25)
    for number in range(lives):
        service = Service(url_of(opener, on_conflict="append"))
        headers = {"Idempotency_Key": f"life-{number}"} if keys else {}
        one = frame("a", hour=number)
        try:
            service.await_alive()
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                asked = pool.submit(service.push, one, **headers)
                end = time.monotonic() + 60
                while stored(opener) <= number and not asked.done():
                    assert time.monotonic() < end
                service.kill()
                concurrent.futures.wait([asked])
            assert isinstance(asked.exception(), httpx.TransportError) or asked.result().status_code == 204
        finally:
            service.close()
        with serving(url_of(opener, on_conflict="append")) as again:
            # A client that saw no answer, or lost it.
            assert again.push(one, **headers).status_code == 204
        assert stored(opener) == number + 1 if keys else stored(opener) > number + 1
        if not keys:
            return
    record(kills=lives, doubled=0, lost=0)


# -- every POST --------------------------------------------------------------------------------------------------------


def one_event(number: int) -> dict[str, Any]:
    return {"message_id": f"m{number}", "event_type": "t", "generated": "2026-01-01T00:00:00"}


def notification(number: int) -> dict[str, Any]:
    return {"message_id": f"m{number}", "event_type": "compute.instance.update", "timestamp": "2026-01-01", "payload": {}}


def one_sample(number: int) -> dict[str, Any]:
    return {
        "name": "cpu", "type": "gauge", "unit": "%", "volume": number, "resource_id": "r", "timestamp": "2026-01-01",
        "id": f"m{number}",
    }  # fmt: skip


def posted_sample(number: int) -> list[dict[str, Any]]:
    least = {"counter_name": "cpu", "counter_type": "gauge", "counter_unit": "%", "counter_volume": number, "resource_id": "r"}
    return [least]


def one_message(number: int) -> dict[str, Any]:
    return {"messages": [{"body": number}]}


# For each POST: bodies by number, of which each has an effect of its own; None where a POST never has one.
POSTS: dict[str, Any] = {
    "/rating/v2/dataframes": lambda number: {"dataframes": [frame("a", hour=number)]},
    "/rating/v2/scope": None,
    "/events/v1/ceilometer/events": one_event,
    "/events/v1/notifications": notification,
    "/metering/v1/ceilometer/samples": one_sample,
    "/metering/v2/meters/{meter_name}": posted_sample,
    "/metering/v2/query/samples": None,
    "/messaging/v2/queues/{queue_name}/messages": one_message,
    "/messaging/v2/topics/{topic_name}/messages": one_message,
}
# POSTs that keep no receipts, and say so.
REFUSING = sorted(route.path for _, route in routes() if route.method == "POST" and not route.keeps_receipts)


def test_every_post_has_a_row():
    assert {*POSTS, *REFUSING} == {route.path for _, route in routes() if route.method == "POST"}
    assert not {*POSTS} & {*REFUSING}


@pytest.mark.promise("C8")
@pytest.mark.any_engine
@pytest.mark.parametrize("path", REFUSING)
def test_a_post_without_receipts_refuses_a_key(service, path):
    headers = {"X-Auth-Token": "t-admin-a", "Idempotency-Key": "one", **CLIENT}
    answer = service.client.post(re.sub("{.*?}", "x", path), json={}, headers=headers)
    assert answer.status_code == 400
    assert "Idempotency-Key: is not kept by this path" in answer.text


@pytest.mark.promise("C8")
@pytest.mark.any_engine
@pytest.mark.parametrize("path", [path for path, make in POSTS.items() if make is not None])
def test_a_key_means_the_same_on_every_post(service, event_place, metering_place, messaging_place, place, path):
    place.opened[0].delete()
    metering_place.opened[0].clear()
    event_place.opened[0].clear()
    queues, topics = (getattr(messaging_place.opened[0], f"{name}_controller") for name in ("queue", "topic"))
    for controller, project in itertools.product((queues, topics), "ab"):
        controller.delete("cpu", project)

    def post(number: int, key: str = "same", token: str = "t-admin-a", body: Any = None) -> httpx.Response:
        given = POSTS[path](number) if body is None else body
        headers = {"X-Auth-Token": token, "Idempotency-Key": f"{key}-{path}", **CLIENT}
        answer: httpx.Response = service.client.post(re.sub("{.*?}", "cpu", path), json=given, headers=headers)
        return answer

    def effects() -> int:
        rows = place.opened[0].total(**WHEN)["results"]
        events, samples = len(list(event_place.opened[0].get_events(None))), metering_place.opened[0].count_samples()
        messages = sum(depth.free for depth in messaging_place.opened[0].depths(100).queues)
        return int(events + samples + messages + (int(rows[0]["qty"]) if rows else 0))

    first = post(1)
    assert first.is_success
    for _ in range(2):
        again = post(1)
        assert (again.status_code, again.content) == (first.status_code, first.content)
    assert effects() == 1
    other = post(2)
    assert other.status_code == 409
    assert "Idempotency-Key" in other.text
    assert effects() == 1
    # Another path, caller or key is another key; who is refused has not used it.
    assert post(3, body=[5], key="new").status_code == 400
    assert post(3, key="new").is_success
    assert post(4, token="t-admin-b").is_success
    assert effects() == 3


@pytest.mark.promise("C8")
@pytest.mark.any_engine
def test_events_under_a_key_are_stored_all_or_none(service, event_place):
    event_place.opened[0].clear()
    wrong = {**one_event(2), "traits": [["size", 2, 2**70]]}
    for bad in (wrong, 5):
        body = [one_event(1), bad, one_event(3)]
        headers = {"X-Auth-Token": ADMIN, "Idempotency-Key": "whole"}
        answer = service.client.post("/events/v1/ceilometer/events", json=body, headers=headers)
        assert answer.status_code == 400
        assert "[1]" in answer.text
        assert list(event_place.opened[0].get_events(None)) == []


def test_a_store_without_receipts_refuses_a_key():
    with serving(None, events="log://") as service:
        post = functools.partial(service.client.post, "/events/v1/ceilometer/events", json=one_event(1))
        refused = post(headers={"Idempotency-Key": "one"})
        assert refused.status_code == 400
        assert "Idempotency-Key: is not kept by this store" in refused.text
        assert post().status_code == 200
