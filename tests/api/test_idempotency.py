"""`Idempotency-Key`: one effect, whatever is repeated, crosses, or dies between the effect and the answer."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import threading
import time
from typing import Any

import httpx
import pytest

from tests.api.service import Service, frame, serving
from tests.conftest import url_of
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
