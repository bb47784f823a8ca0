"""The stand-in of an old Ceilometer answers as was recorded, and fails as it is told."""

from __future__ import annotations

import json
import pathlib
import threading
from typing import Any

import httpx
import pytest

from tests.export.old_ceilometer import MOVED, Fault, OldCeilometer, raw

TOUR = [
    json.loads(line)
    for line in (pathlib.Path(__file__).parents[1] / "metering" / "data" / "ceilometerclient.jsonl").read_text().splitlines()
]
POSTED = next(each for each in TOUR if each["method"] == "POST" and each["path"].startswith("/v2/meters/"))
# The stand-in has no statistics, and takes samples by `add`.
REPLAYED = [
    each
    for each in TOUR
    if "/statistics" not in each["path"] and each is not POSTED and each["path"] not in ("/", "/v2/capabilities")
]


CLIENT = httpx.Client(verify=False, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def made(number: int, meter: str = "cpu", **more: Any) -> dict[str, Any]:
    """A sample: one a minute."""
    return {
        "counter_name": meter, "counter_type": "gauge", "counter_unit": "%", "counter_volume": number, "user_id": "u",
        "project_id": f"p{number % 2}", "resource_id": f"vm-{number % 3}", "timestamp": f"2026-01-01T00:{number:02}:00",
        "message_id": f"m{number:03}", "source": "openstack", "resource_metadata": {"n": number, "flavor": {"name": "small"}},
        **more,
    }  # fmt: skip


@pytest.fixture
def old():
    with OldCeilometer([made(number) for number in range(10)]) as server:
        yield server


def ask(old: OldCeilometer, path: str, *q: tuple[str, str, str], **params: Any) -> Any:
    whole = {f"q.{name}": [each[place] for each in q] for place, name in enumerate(("field", "op", "value"))} if q else {}
    return CLIENT.get(old.url + path, params={**whole, **params})


def query(old: OldCeilometer, expression: Any = None, orderby: Any = None, **more: Any) -> httpx.Response:
    texts = {name: json.dumps(value) for name, value in (("filter", expression), ("orderby", orderby)) if value is not None}
    return CLIENT.post(old.url + "/v2/query/samples", json={**texts, **more})


def numbers(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [int((each.get("id") or each.get("message_id"))[1:]) for each in answer.json()]


@pytest.mark.parametrize("exchange", REPLAYED, ids=lambda each: each["method"] + each["path"][:80])
def test_answers_as_recorded(exchange):
    with OldCeilometer(POSTED["response"]) as old:
        answer = CLIENT.request(exchange["method"], old.url + exchange["path"], json=exchange["request"])
        assert answer.status_code == exchange["status"]
        found = json.loads(answer.text.replace(old.url, "http://127.0.0.1:21220"))
        if exchange["status"] != 200:
            # The recording's server had its own texts for 400.
            assert found["error_message"]["faultcode"] == exchange["response"]["error_message"]["faultcode"]
            assert exchange["status"] == 400 or found == exchange["response"]
            return
        for each in (*found, *exchange["response"]) if isinstance(found, list) else ():
            each.pop("meter_id", None)
        assert found == exchange["response"]


def test_the_replay_is_not_empty():
    assert len(REPLAYED) >= 14
    assert POSTED["response"][0]["message_id"]


def test_newest_first_and_one_hundred_by_default():
    with OldCeilometer([made(n % 60, message_id=f"m{n}") for n in range(150)]) as old:
        found = ask(old, "/v2/meters/cpu").json()
        assert len(found) == 100 == len(query(old).json()) == len(ask(old, "/v2/samples").json())
        times = [each["timestamp"] for each in found]
        assert times == sorted(times, reverse=True)
        assert len(ask(old, "/v2/meters/cpu", limit=149).json()) == 149


@pytest.mark.parametrize(
    ("path", "q", "params", "text"),
    [
        ("/v2/meters/cpu", [], {"limit": 0}, "Limit must be positive"),
        ("/v2/samples", [], {"limit": -1}, "Limit must be positive"),
        ("/v2/meters", [], {"limit": "x"}, "unable to convert to int"),
        ("/v2/meters/cpu", [], {"bogus": 1}, 'Unknown argument: "bogus"'),
        ("/v2/meters/cpu", [], {"marker": "m1"}, 'Unknown argument: "marker"'),
        ("/v2/meters", [("timestamp", "ge", "2026-01-01")], {}, 'Unknown argument: "timestamp"'),
        ("/v2/meters/cpu", [("nope", "eq", "x")], {}, 'Unknown argument: "nope"'),
        ("/v2/resources", [("meter", "eq", "x")], {}, 'Unknown argument: "meter"'),
        ("/v2/meters/cpu", [("project_id", "gt", "x")], {}, "unimplemented operator for project_id"),
        ("/v2/meters/cpu", [("metadata.n", "ne", "1")], {}, "unimplemented operator for metadata.n"),
        ("/v2/meters/cpu", [("timestamp", "eq", "2026-01-01")], {}, "unimplemented operator for timestamp"),
        ("/v2/meters/cpu", [("timestamp", "ge", "junk")], {}, "invalid timestamp format"),
        ("/v2/meters/cpu", [("search_offset", "eq", "1")], {}, "without timestamp"),
    ],
)
def test_what_it_refuses(old, path, q, params, text):
    answer = ask(old, path, *q, **params)
    assert answer.status_code == 400
    assert text in answer.json()["error_message"]["faultstring"]


def test_simple_questions(old):
    late = ("timestamp", "ge", "2026-01-01T00:04:00")
    assert numbers(ask(old, "/v2/meters/cpu", late, ("timestamp", "lt", "2026-01-01T00:07:00"))) == [6, 5, 4]
    assert numbers(ask(old, "/v2/meters/cpu", ("timestamp", "gt", "2026-01-01T02:04:00+02:00"))) == [9, 8, 7, 6, 5]
    assert numbers(ask(old, "/v2/meters/cpu", ("timestamp", "le", "2026-01-01T00:01:00"))) == [1, 0]
    assert numbers(ask(old, "/v2/meters/cpu", late, ("timestamp", "ge", "2026-01-01T00:08:00"))) == [9, 8]
    assert numbers(ask(old, "/v2/samples", ("project", "eq", "p1"), ("resource", "eq", "vm-0"))) == [9, 3]
    assert numbers(ask(old, "/v2/samples", ("metadata.n", "eq", "7"))) == [7]
    assert numbers(ask(old, "/v2/samples", ("metadata.n", "eq", "'7'"))) == []
    assert numbers(ask(old, "/v2/samples", ("metadata.flavor.name", "eq", "small"), limit=2)) == [9, 8]
    assert numbers(ask(old, "/v2/meters/other")) == []


def test_complex_questions(old):
    window = [{">=": {"timestamp": "2026-01-01T00:04:00"}}, {"<": {"timestamp": "2026-01-01T00:07:00"}}]
    assert numbers(query(old, {"and": [{"=": {"meter": "cpu"}}, *window]})) == [6, 5, 4]
    assert numbers(query(old, {"and": window}, [{"timestamp": "asc"}], limit=2)) == [4, 5]
    assert numbers(query(old, {"=": {"metadata.n": 7}})) == [7]
    assert numbers(query(old, {"=": {"metadata.n": "7"}})) == []
    assert numbers(query(old, {"OR": [{"in": {"message_id": ["m001"]}}, {"=~": {"message_id": "2$"}}]})) == [2, 1]
    assert numbers(query(old, {"not": {"<": {"counter_volume": 8}}}, [{"volume": "DESC"}])) == [9, 8]
    bad: list[Any] = [{"and": [{"=": {"meter": "cpu"}}]}, {"~": {"meter": "x"}}, {"=": {"nope": 1}}, {"<": {"timestamp": "junk"}}]
    for expression in (*bad, [], {}):
        assert query(old, expression).status_code == 400, expression
    assert query(old, None, [{"timestamp": "up"}]).status_code == 400
    assert query(old, bogus=1).status_code == query(old, limit=0).status_code == 400
    assert CLIENT.post(old.url + "/v2/query/samples", json={"filter": "{"}).status_code == 400
    old.complex_queries = False
    assert query(old).status_code == 404
    assert ask(old, "/v2/capabilities").json()["api"]["samples:query:complex"] is False


def test_meters_and_resources(old):
    old.add([made(1, "disk/read", message_id="d1", project_id="p9")])
    assert sorted({each["name"] for each in ask(old, "/v2/meters").json()}) == ["cpu", "disk/read"]
    assert len(ask(old, "/v2/meters").json()) == 4
    assert len(ask(old, "/v2/meters", unique="True").json()) == 2
    assert [each["name"] for each in ask(old, "/v2/meters", ("project_id", "eq", "p9")).json()] == ["disk/read"]
    old.knows_unique = False
    assert ask(old, "/v2/meters", unique="True").status_code == 400
    assert [each["message_id"] for each in ask(old, "/v2/meters/disk%2Fread").json()] == ["d1"]
    first = {each["resource_id"]: each["first_sample_timestamp"] for each in ask(old, "/v2/resources").json()}
    assert first == {f"vm-{n}": f"2026-01-01T00:0{n}:00" for n in range(3)}
    (one,) = ask(old, "/v2/resources", ("project_id", "eq", "p9"), meter_links=0).json()
    assert (one["resource_id"], len(one["links"])) == ("vm-1", 1)


def test_tokens_and_moved_metrics():
    with OldCeilometer([made(number) for number in range(4)], tokens={"t": None, "one": "p1"}) as old:
        path = old.url + "/v2/meters/cpu"
        assert CLIENT.get(path).status_code == 401 == CLIENT.get(path, headers={"X-Auth-Token": "x"}).status_code
        assert numbers(CLIENT.get(path, headers={"X-Auth-Token": "t"})) == [3, 2, 1, 0]
        assert numbers(CLIENT.get(path, headers={"X-Auth-Token": "one"})) == [3, 1]
        old.moved = True
        answer = CLIENT.get(path, headers={"X-Auth-Token": "t"})
        assert (answer.status_code, answer.json()["error_message"]["faultstring"]) == (410, MOVED)


def test_faults(old):
    old.faults = [
        Fault(503, {"Retry-After": "7"}, path="/v2/meters"), Fault(cut=20), Fault(cut=20, chunked=True), Fault(closes=True),
        Fault(chunked=True), Fault(status=200, body=b"<html>"),
    ]  # fmt: skip
    answer = ask(old, "/v2/meters/cpu")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    for _ in range(3):
        with pytest.raises(httpx.RemoteProtocolError):
            ask(old, "/v2/meters/cpu")
    assert len(ask(old, "/v2/meters/cpu").json()) == 10
    assert ask(old, "/v2/meters/cpu").text == "<html>"
    old.faults = lambda asked: Fault(429) if asked.path == "/v2/samples" else None
    assert ask(old, "/v2/samples").status_code == 429
    assert ask(old, "/v2/meters/cpu", limit=3).status_code == 200
    last = old.requests[-1]
    assert (last.method, last.path, last.params) == ("GET", "/v2/meters/cpu", {"limit": ["3"]})


def test_bad_samples_go_out_as_they_are(old):
    old.add([
        made(20, counter_volume=float("nan")), made(21, counter_volume=raw("1e999")), made(22, counter_volume=None),
        made(23, timestamp="never", _at="2026-01-01T00:23:00"), {k: v for k, v in made(24).items() if k != "message_id"},
    ])  # fmt: skip
    text = ask(old, "/v2/meters/cpu", limit=5).text
    assert '"counter_volume": NaN' in text
    assert '"counter_volume": 1e999' in text
    none, late, bad = json.loads(text)[:3]
    assert "message_id" not in none
    assert late["timestamp"] == "never"
    assert bad["counter_volume"] is None
    since = ("timestamp", "ge", "2026-01-01T00:22:00")
    assert len(ask(old, "/v2/meters/cpu", since).json()) == 3 == len(query(old, {">=": {"timestamp": since[2]}}).json())


def test_servers_that_do_not_sort_or_bound(old):
    old.sorts = False
    orders = {tuple(numbers(ask(old, "/v2/meters/cpu"))) for _ in range(5)}
    assert len(orders) > 1
    old.sorts, old.ties = True, False
    old.add([made(30, message_id=f"m{n}") for n in range(40, 50)])
    found = [numbers(ask(old, "/v2/meters/cpu", limit=5)) for _ in range(5)]
    assert all(set(each) <= set(range(40, 50)) for each in found)
    assert len({tuple(each) for each in found}) > 1
    old.bounds = False
    assert len(ask(old, "/v2/meters/cpu", ("timestamp", "ge", "2027-01-01")).json()) == 20
    old.limits = False
    assert len(ask(old, "/v2/meters/cpu", limit=2).json()) == 20


def test_samples_come_while_it_serves(old):
    writers = [
        threading.Thread(target=lambda n=n: [old.add([made(n, message_id=f"m{n}{i:03}")]) for i in range(50)])
        for n in range(20, 24)
    ]
    for writer in writers:
        writer.start()
    seen = 0
    while seen < 210:
        count = len(ask(old, "/v2/meters/cpu", limit=1000).json())
        assert count >= seen
        seen = count
    for writer in writers:
        writer.join()
    assert seen == 210
